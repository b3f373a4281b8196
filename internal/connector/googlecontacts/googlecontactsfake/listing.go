package googlecontactsfake

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

const maxPage = 1000 // [D] connections.list

// place is what a page or sync token says: where a listing stands or ended, and what it
// was asked with.
type place struct {
	Params string    // of the first call, page and sync token apart
	From   int       // changes that are known
	Until  int       // and where this listing ends
	Full   time.Time // when everything was listed last
	Key    string    // a page: of the last contact of a full listing
	At     int       // a page: how many changes were listed
}

func (p place) String() string {
	b, _ := json.Marshal(p) // made of JSON's own types
	return base64.RawURLEncoding.EncodeToString(b)
}

func parse(text string) (p place, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	return p, err == nil && json.Unmarshal(b, &p) == nil
}

// know brings what listings show up to date.
func (f *book) know() {
	seen := f.table.Indexed()
	f.dirty = slices.DeleteFunc(f.dirty, func(r *fakekit.Record) bool {
		known, ok := seen.Get(r.ID)
		if !ok || contents(known).rev < contents(r).rev {
			return false
		}
		f.shown = append(f.shown, r.ID)
		return true
	})
}

// orders are those that the fake knows.
var orders = []string{"LAST_MODIFIED_ASCENDING", "LAST_MODIFIED_DESCENDING"}

// connections lists contacts: everything, or what changed since a sync token [D].
func (f *book) connections(w http.ResponseWriter, r *http.Request) *refusal {
	q := r.URL.Query()
	fields, err := mask(q.Get("personFields"))
	if err != nil {
		return invalid(err.Error())
	}
	size, err := strconv.Atoi(cmp.Or(q.Get("pageSize"), "100"))
	order := cmp.Or(q.Get("sortOrder"), orders[0])
	if err != nil || size < 0 || size > maxPage || !slices.Contains(orders, order) {
		return invalid("Request contains an invalid argument.")
	}
	size = cmp.Or(size, 100)
	f.know()
	at := place{Params: params(q), Until: len(f.shown), Full: f.Now(), Key: "", From: -1}
	if text := q.Get("syncToken"); text != "" {
		since, ok := parse(text)
		if !ok || since.Params != at.Params {
			return invalid("Sync token is invalid, or the parameters are not those of the first call.")
		}
		if f.Now().Sub(since.Full) >= f.life() {
			return &refusal{
				cmp.Or(f.rules.ExpiredStatus, 412),
				"Sync token is expired. Clear local cache and retry call without the sync token.",
				[]any{
					errorInfo("EXPIRED_SYNC_TOKEN"),
				},
			}
		}
		at.From, at.Full = since.Until, since.Full
		if f.rules.RenewedTokens {
			at.Full = f.Now()
		}
	}
	if text := q.Get("pageToken"); text != "" {
		page, ok := parse(text)
		if !ok || page.Params != at.Params || (page.From < 0) != (at.From < 0) {
			return invalid("Page token is invalid, or the parameters are not those of the first call.")
		}
		at = page
	}
	people, next := f.everything(at, order, size, fields)
	if at.From >= 0 {
		people, next = f.since(at, size, fields)
	}
	out := entry{"connections": people, "totalItems": f.table.Indexed().Len()}
	if len(people) == 0 {
		delete(out, "connections")
	}
	if next != "" {
		out["nextPageToken"] = next
	} else if q.Get("requestSyncToken") == "true" || q.Get("syncToken") != "" {
		out["nextSyncToken"] = place{Params: at.Params, Until: at.Until, Full: at.Full}.String()
	}
	fakekit.WriteJSON(w, 200, out)
	return nil
}

func (f *book) life() time.Duration { return cmp.Or(time.Duration(f.rules.TokenLife), 168*time.Hour) }

// params are the parameters that all calls of a listing share.
func params(q url.Values) string {
	own := maps.Clone(q)
	delete(own, "pageToken")
	delete(own, "syncToken")
	return own.Encode()
}

// everything is a page of all contacts in an order, behind the last key.
func (f *book) everything(at place, order string, size int, fields []string) (people []entry, next string) {
	type keyed struct {
		key string
		rec *fakekit.Record
	}
	var all []keyed
	f.table.Indexed().Ascend(time.Time{}, "", func(r *fakekit.Record) bool {
		ms := r.Modified.UnixMilli()
		key := strconv.FormatInt(ms+1e15, 10)
		if order != orders[0] {
			key = strconv.FormatInt(2e15-ms, 10)
		}
		if key += "\x00" + r.ID; key > at.Key {
			all = append(all, keyed{key, r})
		}
		return true
	})
	slices.SortFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for i, k := range all[:min(size, len(all))] {
		people = append(people, f.show(k.rec, fields))
		if i == size-1 && len(all) > size {
			at.Key = k.key
			next = at.String()
		}
	}
	return people, next
}

// since is a page of what changed, each contact once, as listings know it now. Deleted
// contacts have no fields.
func (f *book) since(at place, size int, fields []string) (people []entry, next string) {
	var ids []string
	told := map[string]bool{}
	for _, id := range f.shown[min(at.From, len(f.shown)):min(at.Until, len(f.shown))] {
		if !told[id] {
			told[id] = true
			ids = append(ids, id)
		}
	}
	ids = ids[min(at.At, len(ids)):]
	for _, id := range ids[:min(size, len(ids))] {
		r, _ := f.table.Indexed().Get(id)
		if r.Deleted {
			people = append(people, entry{
				"resourceName": resource(id), "etag": "%deleted", "metadata": entry{
					"deleted": true, "sources": []entry{f.source(r)},
				},
			})
			continue
		}
		one := f.show(r, fields)
		if former := contents(r).former; len(former) > 0 {
			var names []string
			for _, id := range former {
				names = append(names, resource(id))
			}
			meta, _ := one["metadata"].(entry)
			if meta == nil {
				meta = entry{}
			}
			meta["previousResourceNames"] = names
			one["metadata"] = meta
		}
		people = append(people, one)
	}
	if len(ids) > size {
		at.At += size
		next = at.String()
	}
	return people, next
}
