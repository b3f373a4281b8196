package modelapp

import (
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// Object is the one record type of a model app.
const Object = "person"

// The fields of a person, before Options.Prefix.
const (
	Email = "email"
	First = "first"
	Last  = "last"
	Phone = "phone"
	City  = "city"
	Tags  = "tags"
	Rank  = "rank"  // an option: gold, silver or bronze
	Score = "score" // a number
	Key   = "key"   // for our own key
)

// Marks that a text may carry; a picky app heeds them in what is written through
// its API, and lets its own users type them.
const (
	MarkRefused = "~no~"   // refused, and the field is named
	MarkRule    = "~rule~" // the record is refused, and no field is named
	MarkBent    = "~bend~" // stored in upper case
	MarkKept    = "~keep~" // answered with success, and the old value stays
)

// Options say what the app can do and how it behaves. The zero value of each
// is an app that can do nothing beyond the core.
type Options struct {
	ID     crm.AppID        // "" = "model"
	Now    func() time.Time // required
	Prefix string           // of field names and record IDs

	History      bool // past values can be read
	Upsert       bool // keyed create-or-update by Key
	Conditional  bool // a write may name the version it is meant for
	AnswerValues bool // a write answers with the stored record
	DeletedFeed  bool // Changes tells of deletions
	Sweep        bool // deletions can be listed apart
	Archive      bool // records can be deleted through the API
	Merges       bool // merges are told where deletions are, and by reads of what was merged away
	Absorbs      bool // merges are told by the survivor, which names what it absorbed, and answers to its IDs
	NewRecord    bool // a merge makes a new record

	// Blank is how a complete read says that a field is blank. RefuseGone makes
	// calls fail that name a field which is gone; else it is passed over.
	Blank      crm.Blank
	RefuseGone bool

	Memory  time.Duration // how long deletions are told; 0 = for ever
	Unique  bool          // no second record with the same e-mail
	FindNow bool          // looking up knows no lag
	Literal bool          // looking up compares letter by letter
	Trim    bool          // texts lose surrounding blanks
	// values with a marker are refused, changed or kept out when they come through the API: see Marks
	Picky      bool
	Phones     bool          // phone numbers are stored in the app's own format
	Coarse     time.Duration // granularity of modification times; 0 = a millisecond
	Lag        time.Duration // until a change shows in searches
	Jitter     bool          // each change takes a time of its own, up to Lag
	PageSize   int           // 0 = 100
	ReadBatch  int           // 0 = 100
	FindBatch  int           // 0 = 100
	WriteBatch int           // 0 = 100
	BurstCalls int           // published calls per BurstWindow; 0 = none
	Burst      time.Duration
}

func (o Options) withDefaults() Options {
	def := func(p *int) {
		if *p == 0 {
			*p = 100
		}
	}
	def(&o.PageSize)
	def(&o.ReadBatch)
	def(&o.FindBatch)
	def(&o.WriteBatch)
	if o.ID == "" {
		o.ID = "model"
	}
	if o.Coarse == 0 {
		o.Coarse = time.Millisecond
	}
	return o
}

// slack is how far scans look back beyond the index lag: more than any
// granularity of times that the model is used with.
const slack = 2 * time.Second

func (o *Options) overlap() time.Duration { return o.Lag + o.Coarse + slack }

func (o *Options) describe() crm.App {
	app := crm.App{
		ID: o.ID, Name: "Model", Objects: []crm.Object{{ID: Object, Label: "People"}},
		Auth:  []crm.AuthMethod{{Kind: crm.AuthToken}},
		Hosts: []string{"model.example"},
		Blank: o.Blank,
		Limits: crm.Limits{
			ReadBatch: o.ReadBatch, FindBatch: o.FindBatch, WriteBatch: o.WriteBatch, PageSize: o.PageSize,
			BurstCalls: o.BurstCalls, BurstWindow: o.Burst, IndexLag: o.Lag,
		},
		Abilities: []crm.Ability{crm.AbilityRecordTimes},
	}
	for _, a := range []struct {
		on   bool
		name crm.Ability
	}{
		{o.History, crm.AbilityHistory},
		{o.Upsert, crm.AbilityUpsert},
		{o.Conditional, crm.AbilityConditional},
		{o.AnswerValues, crm.AbilityAnswerValues},
		{o.DeletedFeed, crm.AbilityDeletedFeed},
		{o.Sweep, crm.AbilityArchiveSweep},
		{o.Archive, crm.AbilityArchive},
		{o.Merges || o.Absorbs, crm.AbilityMerges},
		{o.Merges && !o.Absorbs, crm.AbilityAbsorbed},
	} {
		if a.on {
			app.Abilities = append(app.Abilities, a.name)
		}
	}
	return app
}

// Fields describes the fields of a person.
func (o *Options) fields() []crm.Field {
	p := func(n string) string { return o.Prefix + n }
	out := []crm.Field{
		{Name: p(Email), Label: "E-mail", Type: crm.TypeEmail, Unique: true},
		{Name: p(First), Label: "First name", Type: crm.TypeText},
		{Name: p(Last), Label: "Last name", Type: crm.TypeText},
		{Name: p(Phone), Label: "Phone", Type: crm.TypePhone},
		{Name: p(City), Label: "City", Type: crm.TypeText},
		{Name: p(Tags), Label: "Tags", Type: crm.TypeList, Multiple: true},
		{Name: p(Rank), Label: "Rank", Type: crm.TypeOption, Options: ranks},
		{Name: p(Score), Label: "Score", Type: crm.TypeNumber},
		{Name: p(Key), Label: "Key", Type: crm.TypeText, Unique: true, External: o.Upsert},
	}
	return out
}

var ranks = []crm.Option{
	{Value: "gold", Label: "Gold"}, {Value: "silver", Label: "Silver"}, {Value: "bronze", Label: "Bronze"},
}
