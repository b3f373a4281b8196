package store

import "strings"

// Erasing says what the erasure of a person does with the items of a kind.
type Erasing string

// What it does.
const (
	// EraseItems removes items of the person, and takes them out of those of others.
	EraseItems Erasing = "removed"
	// EraseInside rewrites what names or holds something of the person.
	EraseInside Erasing = "rewritten"
	// EraseNothing leaves items alone: they hold nothing of any person. Why says so.
	EraseNothing Erasing = "nothing"
)

// Kind is one kind of stored item, told by its key.
type Kind struct {
	Name      string
	Table     Table
	Partition string // the whole text, or, where it ends in "#", its beginning
	Sort      string // its beginning; "" = any. The first kind that fits counts
	Erasing   Erasing
	Why       string
}

// Kinds lists every kind of item that is stored anywhere: what is not in this
// list is forgotten by erasures, and by nobody noticed.
var Kinds = []Kind{
	{"link", Links, "l#", "", EraseItems, "pairs and single records with IDs, agreed values and digests; aliases of their other IDs"},
	{"intent", Links, "i#", "", EraseInside, "what is about to be written, with keys to look for and values that are lost"},
	{"lease", Links, "h#", "lease", EraseInside, "may carry the intent of a lone change; says from when erased people are left alone"},
	{"sync", Links, "h#", "", EraseNothing, "cursors, counters, halts and waits of a sync: numbers, codes, fingerprints of eight bytes"},
	{"inbox", Links, "n#", "", EraseItems, "hints of records that came while the sync was off"},
	{"gone", Links, "x#", "", EraseItems, "records found missing, by ID"},
	{"parked", Links, "p#", "", EraseInside, "chunks that wait: record IDs"},
	{"told", Links, "k#", "", EraseInside, "chunks that are done; those that come again name the records already counted"},
	{"seen", Links, "e#", "", EraseInside, "pages of a full listing: IDs, digests, keyed hashes of identity keys"},
	{"open_run", Links, "y#", "", EraseNothing, "names of open runs"},
	{"barred", Links, "wleft#", "", EraseItems, "records that wait for the right to write to the left side"},
	{"barred", Links, "wright#", "", EraseItems, "records that wait for the right to write to the right side"},
	{"stopped", Links, "v#", "", EraseItems, "records that wait for a decision about a mass change"},
	{"dead", Links, "d#", "", EraseInside, "chunks that were given up: record IDs"},
	{"claim", Links, "c#", "", EraseItems, "identity keys in the making, in clear"},
	{"agenda", Links, "agenda", "", EraseNothing, "names of syncs that have something waiting"},
	{"erasing", Links, "erasing", "", EraseItems, "erasures that are open; those that an app asked for name its record until they have begun"},
	{"erasure", Links, "erasures", "", EraseInside, "the receipt and keyed hashes; what was asked for in clear until it has been looked up"},
	{"erased", Links, "erased", "", EraseNothing, "the version of all tombstones"},

	{"day", Log, "day#", "", EraseNothing, "counters of outcomes"},
	{"log", Log, "g#", "", EraseInside, "entries with values before and after, requests and responses"},
	{"run", Log, "runs", "", EraseInside, "where a run stands; records that were listed and wait to be sent"},
	{"run_of", Log, "runs#", "", EraseNothing, "names of a connection's runs"},
	{"run_counts", Log, "runcounts#", "", EraseNothing, "counters of a run"},
	{"plan", Log, "plans", "", EraseNothing, "where a plan stands, and its totals"},
	{"plan_page", Log, "plan#", "", EraseInside, "planned changes with values before and after"},

	{"connection", Settings, "workspace", "connection#", EraseNothing, "the document that an admin wrote"},
	{"account", Settings, "workspace", "account#", EraseNothing, "logins to apps"},
	{"credential", Settings, "credential", "", EraseNothing, "sealed secrets of apps"},
	{"client", Settings, "client", "", EraseNothing, "sealed OAuth clients"},
	{"webhook", Settings, "webhook", "", EraseNothing, "digests and sealed tokens of webhook addresses"},
	{"delivery", Settings, "delivery", "", EraseNothing, "times of webhook deliveries"},
	{"refused", Settings, "refused", "", EraseNothing, "counts of webhook deliveries that were refused"},
	{"key", Settings, "key", "", EraseNothing, "API keys of our own users"},
	{"lock", Settings, "workspace", "lock#", EraseNothing, "a mark that one writer is at work"},
	{"erasure_key", Settings, "erasure_key", "", EraseNothing, "the sealed key of the hashes of erased people"},
	{"move", Settings, "moves", "", EraseNothing, "how far the move of settings to partitions of their own has come"},
	{"workspace", Settings, "workspaces", "", EraseNothing, "names of workspaces"},
	{"root_key", Settings, "root_key", "", EraseNothing, "a proof of which root key seals the secrets"},
	{"key_hash", Settings, "api_key", "", EraseNothing, "digests of API keys"},
	{"session", Settings, "session", "", EraseNothing, "digests of the console's sessions, each with the ID of its key"},
	{"webhook_hash", Settings, "webhook#", "", EraseNothing, "digests of webhook tokens"},
	{"oauth_state", Settings, "oauth_state#", "", EraseNothing, "an admin's login that is under way"},
	{"schema", Settings, "schema", "", EraseNothing, "fields of an app's objects"},
	{"budget", Settings, "budget#", "", EraseNothing, "calls used of an account"},
	{"idempotency", Settings, "idempotency", "", EraseNothing, "answers sealed under a key that only the caller's own token makes, for a day"},
	{"audit", Settings, "audit", "", EraseNothing, "what admins did, with values masked"},
}

// KindOf returns the kind of an item.
func KindOf(k Key) (Kind, bool) {
	for _, kind := range Kinds {
		if kind.Table == k.Table && kind.fits(k.Partition) && strings.HasPrefix(k.Sort, kind.Sort) {
			return kind, true
		}
	}
	return Kind{}, false
}

func (k *Kind) fits(partition string) bool {
	if strings.HasSuffix(k.Partition, "#") {
		return strings.HasPrefix(partition, k.Partition)
	}
	return partition == k.Partition
}
