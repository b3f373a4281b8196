package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/mapping"
	"github.com/lockstep-crm/lockstep/internal/rule"
)

// plannerVersion is part of Settings.Digest; raise it when the same input may
// give another decision than before.
const plannerVersion = 2

// Settings is one sync of one connection version, compiled once. It is
// immutable and safe for use by several goroutines.
//
// Directions restrict from the outside in: the sync's, then the mapping's.
// They are fixed, so a mapping open in one way only has a master: its target
// follows its source. Behaviours and rules are different: they withhold writes
// to one side without making the other side the master, so that an edit which
// may not travel is left alone and never overwritten by the value it replaced.
//
// The global toggle is not in here; whoever executes decisions asks it.
type Settings struct {
	sync         crm.Sync
	lasting      map[crm.MappingID]crm.ChangedLine // to whom changed lines apply
	joined       map[crm.SyncID]*crm.Sync          // that associations name; nil = the connection is unknown
	country      string
	schema       [2]map[string]crm.Field // by side; nil = unknown
	specs        []spec                  // one per mapping, in the order of the document
	rules        *rule.Rules
	shut         bool          // the rules cannot be read: nothing passes
	steps        [2][]step     // by the side that is searched
	keys         []identity    // of all any_key steps, each pair once
	rungs        []int         // of keys: the step that each belongs to
	stamps       [2][]stamp    // by the side written
	backs        []back        // fields that hold the other side's ID
	reads        [2][]string   // by side
	timed        bool          // a filter looks at the present time
	takers       [2][]taker    // by side: earlier syncs that have its object, too
	held         []Held        // what rests because a field is gone
	acts         []action      // all that rules may do
	acting       bool          // there are any
	trash        [2]*tagPolicy // by the side tagged
	unsubscribed [2]*tagPolicy // by the side tagged
	tie          int           // side that wins a draw of policy newest
	digest       string
	layout       string // of the mappings: see Layout
}

// spec is one mapping with all that is decided before any record is seen. In
// arrays [2] the index is that of the side written, unless said otherwise.
type spec struct {
	id       crm.MappingID
	m        *mapping.Compiled // nil when off, held or broken
	problem  *mapping.Problem  // why it is broken
	held     []string          // fields that are gone or changed, with their sides: it rests
	changed  string            // what does not fit a changed field any more; "" = fields are gone
	label    string            // the field names of both sides, for Decision.Detail
	names    [2][]string       // by side
	revision string            // of an agreement
	later    int64             // pairs of older versions keep what differed then; 0 = it holds for all
	all      int64             // what was left apart before this version is in force no longer
	fields   string            // fingerprint of the fields of both sides
	terms    string            // the settings on which a restrained difference rests
	bit      uint64            // its place in Pair.ByApp; zero for those beyond the 64th
	set      bool
	open     [2]bool      // sync and mapping direction allow it
	only     [2]FieldRule // RuleFillOnly or RuleWriteOnce: blanks are all that may be written
	clear    [2]bool      // a blank may erase it
	demanded [2]bool      // by side: the app refuses a blank there
	fallback [2]crm.Value // the default value; null when there is none
	policy   crm.ConflictPolicy

	unlessBlank bool // the policy's side wins unless it is blank
	checkbox    bool

	alike    *identity // the two fields, where one of them has further values in other fields
	country  string
	required [2]bool // by side: the app demands one of the fields on create
}

// stamp is a fixed value written on creation.
type stamp struct {
	field string
	value crm.Value
}

// back is a field of one side that holds the ID of the twin.
type back struct {
	side  int
	field string
}

// Compile reads a sync of a connection against the schemas of its two objects;
// nil schemas are unknown and then field names and types are not checked. All
// problems are returned at once, with pointers relative to the sync.
//
// Settings is never nil and can be used even when there are problems, because
// a running sync must outlive what changes in an app: a part whose field is gone
// is held (see Held), a mapping that does not compile otherwise fails by itself
// in every decision, and rules that cannot be read at all let nothing through.
// Refusing to save is up to the caller.
func Compile(c *crm.Connection, sync *crm.Sync, left, right []crm.Field) (*Settings, []mapping.Problem) {
	s, problems := compileAlone(c, sync, left, right)
	s.compileTakers(c, left, right)
	if len(s.takers[0])+len(s.takers[1]) > 0 {
		s.listFields()
		s.digest = s.fingerprint(zones(c))
	}
	return s, problems
}

func zones(c *crm.Connection) [2]string {
	if c == nil {
		return [2]string{}
	}
	return [2]string{c.TimeZone.Left, c.TimeZone.Right}
}

// compileAlone is Compile for a sync that stands alone in its connection.
func compileAlone(c *crm.Connection, sync *crm.Sync, left, right []crm.Field) (*Settings, []mapping.Problem) {
	s, zone := &Settings{sync: *sync}, zones(c)
	if c != nil {
		s.country = c.Country
		s.joined = syncsOf(c)
		s.lasting = c.Changes[sync.ID].Lines
	}
	s.schema = [2]map[string]crm.Field{byName(left), byName(right)}
	k := &check{s: s}
	env := mapping.Env{
		Left: s.schema[0], Right: s.schema[1], Country: s.country,
		TimeZone: crm.PerSide[*time.Location]{Left: k.zone(zone[0]), Right: k.zone(zone[1])},
	}
	if s.sync.Conflict == crm.ConflictRight {
		s.tie = 1
	}
	k.enums()
	s.compileMappings(k, env)
	s.compileRules(k, env)
	s.compileSteps(k)
	k.cycles()
	s.compileExtras(k)
	s.compileActs(k)
	s.compilePolicies(k, env)
	s.listFields()
	s.timed = anyTimed(sync.Rules)
	s.digest, s.layout = s.fingerprint(zone), layoutOf(s.specs)
	return s, k.problems
}

func byName(fields []crm.Field) map[string]crm.Field {
	if fields == nil {
		return nil
	}
	m := make(map[string]crm.Field, len(fields))
	for _, f := range fields {
		m[f.Name] = f
	}
	return m
}

// compileMappings makes a spec of every mapping. One that has a problem is
// kept as broken, so that its field fails visibly and the others go on.
func (s *Settings) compileMappings(k *check, env mapping.Env) {
	lines := s.lines()
	_, problems := mapping.CompileAll(lines, env)
	problems = append(problems, s.checkAssociations()...)
	broken := map[string]*mapping.Problem{}
	for i := range problems {
		at := strings.Split(problems[i].Pointer, "/") // "", "mappings", index, …
		if len(at) > 2 && broken[at[2]] == nil {
			broken[at[2]] = &problems[i]
		}
	}
	for i := range problems {
		p := problems[i]
		p.Pointer = s.pointer(p.Pointer)
		k.problems = append(k.problems, p)
	}
	s.specs = make([]spec, 0, len(lines))
	for i, m := range lines {
		one := spec{bit: place(i), id: m.ID, names: [2][]string{m.Left, m.Right}}
		one.label = strings.Join(m.Left, "+") + " ↔ " + strings.Join(m.Right, "+")
		if s.holdMapping(i, &m, &one) {
			s.specs = append(s.specs, one)
			continue
		}
		if p := broken[strconv.Itoa(i)]; p != nil && s.holdChanged(&m, &one, p) {
			s.specs = append(s.specs, one)
			continue
		} else if p != nil {
			one.problem = p
		} else if compiled, found := mapping.Compile(m, env); len(found) == 0 && m.On() {
			s.fill(&one, compiled)
		}
		s.specs = append(s.specs, one)
	}
}

func (s *Settings) fill(one *spec, m *mapping.Compiled) {
	doc := m.Spec()
	one.m, one.set, one.revision = m, m.IsSet(), m.Revision()
	if line := s.lasting[one.id]; line != (crm.ChangedLine{}) {
		one.holds(line)
	}
	one.checkbox, one.unlessBlank = m.IsCheckbox(), m.UnlessBlank()
	if len(one.names[0]) == 1 && len(one.names[1]) == 1 {
		if p := s.identity(one.names[0][0], one.names[1][0]); len(p.also[0])+len(p.also[1]) > 0 {
			one.alike, one.country = &p, s.country
		}
	}
	one.policy = s.sync.Conflict
	if doc.Conflict != nil && *doc.Conflict != "" {
		one.policy = *doc.Conflict
	}
	for i, side := range crm.Sides {
		way := crm.WayTo(side)
		for _, name := range one.names[i] {
			f := s.schema[i][name]
			one.required[i] = one.required[i] || f.Required
			one.demanded[i] = one.demanded[i] || f.Required || f.NeverBlank
		}
		one.open[i] = s.sync.Direction.Allows(way) && m.Allows(way)
		one.fallback[i] = m.Default(way)
		one.clear[i] = doc.Clear.Get(way)
		switch {
		case doc.WriteOnce:
			one.only[i] = RuleWriteOnce
		case s.sync.FillBlanksOnly.Get(way):
			one.only[i] = RuleFillOnly
		}
	}
	one.terms = s.restraints(one)
	names := strings.Join(one.names[0], "\n") + "\x00" + strings.Join(one.names[1], "\n")
	one.fields = crm.Fingerprint(crm.TextValue(names))[:8]
}

// noTerms is what restraints says where there are none.
const noTerms = ".."

// restraints names the settings that forbid to write what was decided. When
// they change, what they kept apart is looked at anew.
func (s *Settings) restraints(one *spec) string {
	var b strings.Builder
	for i, side := range crm.Sides {
		bit := func(set bool, c byte) {
			if set {
				b.WriteByte(c)
			}
		}
		bit(one.only[i] == RuleFillOnly, 'f')
		bit(one.only[i] == RuleWriteOnce, 'w')
		bit(!s.sync.Behavior.Get(crm.WayTo(side)).Updates(), 'b')
		b.WriteByte('.')
	}
	return b.String()
}

// compileRules reads the rules. A rule whose field is gone is held. Where the
// rules have other problems, such as an operator that does not fit a field of
// another type than before, they are read without types.
func (s *Settings) compileRules(k *check, env mapping.Env) {
	rules, problems := rule.CompileRules(s.sync.Rules, rule.Env{Left: env.Left, Right: env.Right, TimeZone: env.TimeZone})
	k.problems = append(k.problems, problems...)
	if len(problems) > 0 {
		work := rule.Env{Left: env.Left, Right: env.Right, TimeZone: env.TimeZone, Hold: true}
		work.Exists = crm.PerSide[map[string]crm.Field]{Left: s.schema[0], Right: s.schema[1]}
		if rules, problems = rule.CompileRules(s.sync.Rules, work); len(problems) > 0 {
			work.Left, work.Right = nil, nil
			rules, problems = rule.CompileRules(s.sync.Rules, work)
		}
	}
	s.holdRules()
	s.rules, s.shut = rules, len(problems) > 0
}

// listFields collects the fields to read. A name that the schema does not know
// is left out: asking for it would fail the whole read in some apps.
func (s *Settings) listFields() {
	for i, side := range crm.Sides {
		var names []string
		for n := range s.specs {
			if s.specs[n].m != nil {
				names = append(names, s.specs[n].names[i]...)
				if p := s.specs[n].alike; p != nil {
					names = append(names, p.also[i]...)
				}
			}
		}
		names = append(names, s.rules.Fields(side)...)
		for _, r := range s.sync.Rules {
			names = append(names, actionFields(&r, side)...)
		}
		names = append(names, s.tagFields(i)...)
		for _, steps := range s.steps {
			for n := range steps {
				names = append(names, steps[n].fields(i)...)
			}
		}
		for _, b := range s.backs {
			if b.side == i {
				names = append(names, b.field)
			}
		}
		for _, st := range s.stamps[i] {
			names = append(names, st.field)
		}
		for n := range s.takers[i] {
			names = append(names, s.takers[i][n].reads()...)
		}
		slices.Sort(names)
		s.reads[i] = slices.DeleteFunc(slices.Compact(names), func(n string) bool {
			_, known := s.schema[i][n]
			return n == "" || n == recordID || s.schema[i] != nil && !known
		})
	}
}

// actionFields names the fields that a rule's actions look at on side.
func actionFields(r *crm.Rule, side crm.Side) []string {
	var names []string
	if !r.On() {
		return nil
	}
	if r.Direction.Allows(crm.WayTo(side)) {
		for _, a := range r.Actions {
			names = append(names, a.Field)
		}
	}
	if o := r.OtherWayAround; o.Enabled && o.Exclude != nil && r.Direction.Allows(crm.WayTo(side.Other())) {
		names = append(names, o.Exclude.Field)
	}
	return names
}

func anyTimed(rules []crm.Rule) bool {
	return slices.ContainsFunc(rules, func(r crm.Rule) bool { return r.On() && rule.Timed(r.Filter) })
}

// fingerprint hashes all that decisions depend on.
func (s *Settings) fingerprint(zone [2]string) string {
	decides := s.sync
	decides.ID, decides.Schedule, decides.Initial, decides.SecondLook, decides.AuditHours = "", "", "", nil, nil
	decides.Activities = crm.Activities{}
	if len(decides.Associations) == 0 {
		decides.Associations = nil
	}
	fields := [2][]crm.Field{}
	for i := range s.schema {
		for _, f := range s.schema[i] {
			f.Label = ""
			fields[i] = append(fields[i], f)
		}
		slices.SortFunc(fields[i], func(a, b crm.Field) int { return strings.Compare(a.Name, b.Name) })
	}
	revisions := make([]string, len(s.specs))
	for i := range s.specs {
		revisions[i] = s.specs[i].revision
	}
	var takers []string
	for i := range s.takers {
		for n := range s.takers[i] {
			takers = append(takers, string(crm.Sides[i])+s.takers[i][n].name)
		}
	}
	b, err := json.Marshal(struct {
		Version   int
		Sync      crm.Sync
		Country   string
		Zone      [2]string
		Fields    [2][]crm.Field
		Known     [2]bool
		Revisions []string
		Takers    []string   `json:",omitempty"`
		About     *crm.About `json:",omitempty"`
		Lasting   []string   `json:",omitempty"`
	}{
		plannerVersion, decides, s.country, zone, fields,
		[2]bool{s.schema[0] != nil, s.schema[1] != nil},
		revisions,
		takers,
		s.sync.About,
		s.lastingFor(),
	})
	if err != nil { // a Value of an unknown kind: no two such settings are the same
		b = []byte(err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// ReadFields returns the fields needed on a side: mappings, rules, match
// steps, IDs and stamps; sorted, the caller's own copy.
func (s *Settings) ReadFields(side crm.Side) []string { return slices.Clone(s.reads[side.Index()]) }

// Field describes a field of a side's object; without a schema, or for a field
// that it lacks, its name is all that is known.
func (s *Settings) Field(side crm.Side, name string) crm.Field {
	if f, ok := s.schema[side.Index()][name]; ok {
		return f
	}
	return crm.Field{Name: name}
}

// Digest fingerprints everything in the settings that decides outcomes: the
// same digest, records and base give the same decision (at the same Pair.Now, if
// Timed).
func (s *Settings) Digest() string { return s.digest }

// Layout fingerprints which mapping has which place (see Places), whatever else
// the settings say and whether or not all of them can work at present.
func (s *Settings) Layout() string { return s.layout }

func layoutOf(specs []spec) string {
	var b strings.Builder
	b.WriteByte(0) // a blank text has no fingerprint, and a draft has no mappings
	for i := range specs {
		b.WriteString(string(specs[i].id))
		b.WriteByte(0)
	}
	return crm.Fingerprint(crm.TextValue(b.String()))[:6]
}

// Timed reports whether a filter depends on the present time.
func (s *Settings) Timed() bool { return s.timed }

// Open reports whether the sync's direction allows the way. The global toggle
// and the status of the connection are the caller's to ask.
func (s *Settings) Open(way crm.Way) bool { return s.sync.Direction.Allows(way) }

// Sync returns the sync that was compiled. The caller must not change what it
// points to.
func (s *Settings) Sync() crm.Sync { return s.sync }

// Mapping returns a mapping that works, or nil: there is none of that ID, it is
// off, or it has a problem.
func (s *Settings) Mapping(id crm.MappingID) *mapping.Compiled {
	for i := range s.specs {
		if s.specs[i].id == id {
			return s.specs[i].m
		}
	}
	return nil
}

// Rests reports whether a mapping of the document is held for want of a field.
func (s *Settings) Rests(id crm.MappingID) bool {
	one := s.spec(id)
	return one != nil && one.m == nil && one.held != nil
}

// OnDelete says what the deletion of the record on one side does to its twin.
// A way that may not update its target does not tag or archive it either.
func (s *Settings) OnDelete(deleted crm.Side) crm.Deletion {
	way := crm.WayTo(deleted.Other())
	policy := s.sync.Deletes.Get(way)
	if policy == "" || !s.Open(way) || !s.sync.Behavior.Get(way).Updates() {
		return crm.DeleteIgnore
	}
	return policy
}
