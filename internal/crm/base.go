package crm

import "slices"

// Agreed is the value both sides last agreed on for one mapping, in canonical
// form, or a settled difference. Lists keep a digest per item and texts over AgreedTextLimit bytes a
// digest: enough to see what changed since, small enough to store by the million.
type Agreed struct {
	Revision string   `json:"r,omitempty"` // of the mapping; another revision means there is no agreement
	Kind     Kind     `json:"k,omitempty"` // Null for "both blank"
	Text     string   `json:"t,omitempty"` // the value, unless Digest is set
	Digest   string   `json:"d,omitempty"` // Value.Digest of a long text
	Items    []string `json:"i,omitempty"` // ItemDigest of each list item's key, in canonical order

	// Settled is set when the two sides differ and are left so. The rest is then
	// the agreement before, and Kind Absent says that there was none. A
	// Difference is never changed, only replaced.
	Settled *Difference `json:"z,omitempty"`
}

// AgreedTextLimit is the length in bytes above which a text is kept as a digest.
const AgreedTextLimit = 1024

// Agree returns what to remember of canonical value v.
func Agree(revision string, v Value) Agreed {
	if v.Blank() {
		return Agreed{Revision: revision, Kind: Null}
	}
	a := Agreed{Revision: revision, Kind: v.kind}
	switch {
	case v.kind == List:
		a.Items = make([]string, len(v.items))
		items := v.items
		if v.fold {
			items = v.folded()
		}
		for i, s := range items {
			a.Items[i] = ItemDigest(s)
		}
	case len(v.text) > AgreedTextLimit:
		a.Digest = v.Digest()
	default:
		a.Text = v.text
	}
	return a
}

// ItemDigest fingerprints one list item.
func ItemDigest(s string) string { return TextValue(s).Digest()[:16] }

// Is reports whether canonical value v is the agreed one.
func (a Agreed) Is(v Value) bool {
	if v.Blank() {
		return a.Kind == Null || a.Kind == Absent
	}
	if a.Kind != v.kind {
		return false
	}
	switch {
	case v.kind == List:
		if len(a.Items) != len(v.items) {
			return false
		}
		for i, s := range v.items {
			if a.Items[i] != ItemDigest(s) && !(v.fold && a.HasItem(v, s)) {
				return false
			}
		}
		return true
	case a.Digest != "":
		return a.Digest == v.Digest()
	default:
		return a.Text == v.text
	}
}

// Same reports whether two entries say the same.
func (a Agreed) Same(b Agreed) bool {
	return a.Revision == b.Revision && a.Kind == b.Kind && a.Text == b.Text && a.Digest == b.Digest &&
		slices.Equal(a.Items, b.Items) && a.Settled.same(b.Settled)
}

// HasItem reports whether the agreed list held an item of list v. Releases before
// items were compared without case kept them as they were spelled.
func (a Agreed) HasItem(v Value, item string) bool {
	return slices.Contains(a.Items, ItemDigest(item)) || v.fold && slices.Contains(a.Items, ItemDigest(v.ItemKey(item)))
}

// Base is the agreement of one link, per mapping.
type Base map[MappingID]Agreed
