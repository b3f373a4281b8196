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

// Owner says with what items of a kind go.
type Owner string

// With what they go.
const (
	// OfSync items stand in partitions of one sync, and are erased with its connection.
	OfSync Owner = "sync"
	// OfConnection items stand in partitions of one connection, and are erased with it.
	OfConnection Owner = "connection"
	// OfItself items go by themselves: at their time, with what they tell of, or when
	// somebody removes them.
	OfItself Owner = "itself"
)

// Split says into which partitions the items of one owner are spread.
type Split string

// How they are spread.
const (
	Whole    Split = ""
	ByShard  Split = "shard"
	ByLogDay Split = "day"
)

// Tick says whether something that waits in a partition keeps its sync on the
// agenda, so that the tick looks at it.
type Tick bool

// Whether it does.
const (
	Wakes  Tick = true
	Sleeps Tick = false
)

// Kind is one kind of stored item, told by its key, with what follows from it.
type Kind struct {
	Name      string
	Table     Table
	Partition string // the whole text, or, where it ends in "#", its beginning
	Sort      string // its beginning; "" = any. The first kind that fits counts
	Owner     Owner
	Split     Split
	Tick      Tick
	Counted   string // the number of a sync's status that counts the items; "" = none
	Erasing   Erasing
	Why       string
}

// Kinds lists every kind of item that is stored anywhere: what is not in this
// list is forgotten by erasures of people and of connections, and by nobody noticed.
var Kinds = []Kind{
	{
		"link", Links, "l#", "", OfSync, ByShard, Sleeps, "", EraseItems,
		"pairs and single records with IDs, agreed values and digests; aliases of their other IDs",
	},
	{
		"parked", Links, "p#", "", OfSync, Whole, Wakes, "parked", EraseInside,
		"chunks that wait: record IDs",
	},
	{
		"inbox", Links, "n#", "", OfSync, Whole, Wakes, "inbox", EraseItems,
		"hints of records that came while the sync was off",
	},
	{
		"gone", Links, "x#", "", OfSync, Whole, Wakes, "", EraseItems,
		"records found missing, by ID",
	},
	{
		"intent", Links, "i#", "", OfSync, Whole, Wakes, "", EraseInside,
		"what is about to be written, with keys to look for and values that are lost",
	},
	{
		"told", Links, "k#", "", OfSync, Whole, Sleeps, "", EraseInside,
		"chunks that are done; those that come again name the records already counted",
	},
	{
		"lease", Links, "h#", "lease", OfSync, Whole, Sleeps, "", EraseInside,
		"may carry the intent of a lone change; says from when erased people are left alone",
	},
	{
		"sync", Links, "h#", "", OfSync, Whole, Sleeps, "", EraseNothing,
		"cursors, counters, halts and waits of a sync: numbers, codes, fingerprints of eight bytes",
	},
	{
		"open_run", Links, "y#", "", OfSync, Whole, Wakes, "", EraseNothing,
		"names of open runs",
	},
	{
		"barred_left", Links, "wleft#", "", OfSync, Whole, Wakes, "", EraseItems,
		"records that wait for the right to write to the left side",
	},
	{
		"barred_right", Links, "wright#", "", OfSync, Whole, Wakes, "", EraseItems,
		"records that wait for the right to write to the right side",
	},
	{
		"stopped", Links, "v#", "", OfSync, Whole, Wakes, "", EraseItems,
		"records that wait for a decision about a mass change",
	},
	{
		"awaited", Links, "u#", "awaited#", OfSync, Whole, Sleeps, "", EraseItems,
		"records that name another one which is not linked yet, under that one: IDs",
	},
	{
		"decided", Links, "u#", "", OfSync, Whole, Sleeps, "", EraseItems,
		"values that a person decided on, until they are carried out",
	},
	{
		"dead", Links, "d#", "", OfConnection, Whole, Sleeps, "dead", EraseInside,
		"chunks that were given up: record IDs",
	},
	{
		"day", Log, "day#", "", OfSync, Whole, Sleeps, "", EraseNothing,
		"counters of outcomes",
	},
	{
		"log", Log, "g#", "", OfConnection, ByLogDay, Sleeps, "", EraseInside,
		"entries with values before and after, requests and responses",
	},

	{
		"seen", Links, "e#", "", OfItself, Whole, Sleeps, "", EraseInside,
		"pages of a full listing: IDs, digests, keyed hashes of identity keys",
	},
	{
		"claim", Links, "c#", "", OfItself, Whole, Sleeps, "", EraseItems,
		"identity keys in the making, in clear",
	},
	{
		"kept", Links, "o#", "", OfItself, Whole, Sleeps, "", EraseItems,
		"records of apps that only push, as they were told, and where to find them by address or number; gone with the " +
			"last connection of the account",
	},
	{
		"agenda", Links, "agenda", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"names of syncs that have something waiting",
	},
	{
		"erasing", Links, "erasing", "", OfItself, Whole, Sleeps, "", EraseItems,
		"erasures that are open; those that an app asked for name its record until they have begun",
	},
	{
		"erasure", Links, "erasures", "", OfItself, Whole, Sleeps, "", EraseInside,
		"the receipt and keyed hashes; what was asked for in clear until it has been looked up",
	},
	{
		"erased", Links, "erased", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"the version of all tombstones",
	},

	{
		"run", Log, "runs", "", OfItself, Whole, Sleeps, "", EraseInside,
		"where a run stands; records that were listed and wait to be sent",
	},
	{
		"run_of", Log, "runs#", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"names of a connection's runs",
	},
	{
		"run_counts", Log, "runcounts#", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"counters of a run",
	},
	{
		"plan", Log, "plans", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"where a plan stands, and its totals",
	},
	{
		"plan_page", Log, "plan#", "", OfItself, Whole, Sleeps, "", EraseInside,
		"planned changes with values before and after",
	},

	{
		"connection", Settings, "workspace", "connection#", OfItself, Whole, Sleeps, "", EraseNothing,
		"the document that an admin wrote",
	},
	{
		"account", Settings, "workspace", "account#", OfItself, Whole, Sleeps, "", EraseNothing,
		"logins to apps",
	},
	{
		"credential", Settings, "credential", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"sealed secrets of apps",
	},
	{
		"client", Settings, "client", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"sealed OAuth clients",
	},
	{
		"webhook", Settings, "webhook", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"digests and sealed tokens of webhook addresses",
	},
	{
		"delivery", Settings, "delivery", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"times of webhook deliveries",
	},
	{
		"refused", Settings, "refused", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"counts of webhook deliveries that were refused",
	},
	{
		"key", Settings, "key", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"API keys of our own users",
	},
	{
		"app_document", Settings, "workspace", "app_document#", OfItself, Whole, Sleeps, "", EraseNothing,
		"apps that a workspace describes for itself: how an API is called",
	},
	{
		"lock", Settings, "workspace", "lock#", OfItself, Whole, Sleeps, "", EraseNothing,
		"a mark that one writer is at work",
	},
	{
		"erasure_key", Settings, "erasure_key", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"the sealed key of the hashes of erased people",
	},
	{
		"move", Settings, "moves", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"how far the move of settings to partitions of their own has come",
	},
	{
		"workspace", Settings, "workspaces", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"names of workspaces",
	},
	{
		"root_key", Settings, "root_key", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"a proof of which root key seals the secrets",
	},
	{
		"key_hash", Settings, "api_key", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"digests of API keys",
	},
	{
		"session", Settings, "session", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"digests of the console's sessions, each with the ID of its key",
	},
	{
		"webhook_hash", Settings, "webhook#", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"digests of webhook tokens",
	},
	{
		"oauth_state", Settings, "oauth_state#", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"an admin's login that is under way",
	},
	{
		"schema", Settings, "schema", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"fields of an app's objects",
	},
	{
		"budget", Settings, "budget#", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"calls used of an account",
	},
	{
		"idempotency", Settings, "idempotency", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"answers sealed under a key that only the caller's own token makes, for a day",
	},
	{
		"alert", Settings, "alert", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"what is wrong with connections: names of connections, IDs and counts; messages that wait, by ID",
	},
	{
		"alert_secret", Settings, "alert_secret", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"sealed secrets that webhooks about alerts are signed with",
	},
	{
		"audit", Settings, "audit", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"what admins did, with values masked",
	},
	{
		"audit_head", Settings, "audit_head", "", OfItself, Whole, Sleeps, "", EraseNothing,
		"where the chain of the audit trail ended, after each entry: numbers, hashes and IDs of entries",
	},
}

// named are the kinds by their names.
var named = func() map[string]*Kind {
	out := make(map[string]*Kind, len(Kinds))
	for i := range Kinds {
		out[Kinds[i].Name] = &Kinds[i]
	}
	return out
}()

// KindNamed returns the kind of a name in the list; it panics without one.
func KindNamed(name string) *Kind {
	k := named[name]
	if k == nil {
		panic("store: no kind of items is called " + name)
	}
	return k
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
