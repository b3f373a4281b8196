package declared

import "time"

// Document is the grammar. A key is the name in the tag; docs/app-documents.md says
// what each means.
type Document struct {
	App     appPart            `yaml:"app"`
	Auth    []*authPart        `yaml:"auth"`
	Account *accountPart       `yaml:"account"`
	Limits  limitsPart         `yaml:"limits"`
	Objects map[string]*object `yaml:"objects"`
	Owners  *ownersPart        `yaml:"owners"`
	Errors  errorsPart         `yaml:"errors"`
	Hooks   *hooksPart         `yaml:"hooks"`

	place place
}

// pointer is a JSON pointer (RFC 6901); "" is the whole, and "@key" the key under
// which an entry of a mapping stands.
type pointer string

const atKey pointer = "@key"

type appPart struct {
	ID       string            `yaml:"id"`
	Name     string            `yaml:"name"`
	Base     string            `yaml:"base"`    // scheme and host; "" = each account has an address of its own
	Example  string            `yaml:"example"` // of such an address
	Hosts    []string          `yaml:"hosts"`
	Blank    string            `yaml:"blank"`
	Headers  map[string]string `yaml:"headers"`
	Warnings []string          `yaml:"warnings"`
}

type authPart struct {
	Kind   string      `yaml:"kind"`
	Fields []*authWord `yaml:"fields"`
	Send   string      `yaml:"send"`   // bearer, header, basic, query
	Name   string      `yaml:"name"`   // of the header or parameter
	Prefix string      `yaml:"prefix"` // before the key in a header
	Login  *loginPart  `yaml:"login"`
}

type authWord struct {
	Name     string `yaml:"name"`
	Label    string `yaml:"label"`
	Secret   bool   `yaml:"secret"`
	Optional bool   `yaml:"optional"`
}

// loginPart exchanges what an admin entered for a token.
type loginPart struct {
	call    `yaml:",inline"`
	Token   pointer  `yaml:"token"`
	Expires *pointer `yaml:"expires"` // seconds
}

// accountPart is the call that proves the credentials.
type accountPart struct {
	call `yaml:",inline"`
	Has  pointer  `yaml:"has"` // what a good answer has
	ID   *pointer `yaml:"id"`
	Name *pointer `yaml:"label"`
}

type limitsPart struct {
	Calls     int           `yaml:"calls"`
	Per       time.Duration `yaml:"per"`
	Searches  int           `yaml:"searches"`
	SearchPer time.Duration `yaml:"searches_per"`
	Daily     int           `yaml:"daily"`
	Lag       time.Duration `yaml:"lag"`
	Read      int           `yaml:"read"` // records that one call reads
	Page      int           `yaml:"page"` // records on one page of a listing
}

// call is one request: a method with its path, and what goes with it.
type call struct {
	Get    string            `yaml:"get"`
	Post   string            `yaml:"post"`
	Put    string            `yaml:"put"`
	Patch  string            `yaml:"patch"`
	Delete string            `yaml:"delete"`
	Query  map[string]string `yaml:"query"`
	Body   any               `yaml:"body"`
}

type object struct {
	Label    string            `yaml:"label"`
	ID       idPart            `yaml:"id"`
	Modified *timePart         `yaml:"modified"`
	Created  *timePart         `yaml:"created"`
	Deleted  *pointer          `yaml:"deleted"`
	Blank    string            `yaml:"blank"`
	Fields   map[string]*field `yaml:"fields"`
	Discover []*discoverPart   `yaml:"discover"`
	AnyOf    [][]string        `yaml:"any_of"`
	List     *listPart         `yaml:"list"`
	Read     *readPart         `yaml:"read"`
	Find     []*findPart       `yaml:"find"`
	Create   *writePart        `yaml:"create"`
	Update   *writePart        `yaml:"update"`
	Delete   *writePart        `yaml:"delete"`

	name string
}

type idPart struct {
	At   pointer `yaml:"at"`
	Form string  `yaml:"form"`
}

type timePart struct {
	At     pointer  `yaml:"at"`
	Or     *pointer `yaml:"or"` // where At is blank
	Format string   `yaml:"format"`
}

type field struct {
	Label     string    `yaml:"label"`
	Type      string    `yaml:"type"`
	At        *pointer  `yaml:"at"` // "" = /<name>
	To        *pointer  `yaml:"to"` // in bodies of writes; "" = as At
	Codec     string    `yaml:"codec"`
	Required  bool      `yaml:"required"`
	ReadOnly  bool      `yaml:"read_only"`
	Unique    bool      `yaml:"unique"`
	Kept      bool      `yaml:"never_blank"`
	Omitted   bool      `yaml:"omitted"` // left out where it is blank, whatever the object's others are
	Options   []*option `yaml:"options"`
	Open      bool      `yaml:"open_options"`
	Max       int       `yaml:"max"`
	Reference string    `yaml:"reference"`
	With      []string  `yaml:"with"`
}

type option struct {
	Value string `yaml:"value"`
	Label string `yaml:"label"`
}

// discoverPart is how the account's own fields are described.
type discoverPart struct {
	call     `yaml:",inline"`
	Items    pointer      `yaml:"items"`
	Name     pointer      `yaml:"name"`
	Label    *pointer     `yaml:"label"`
	Type     *typePart    `yaml:"type"`
	Required *pointer     `yaml:"required"`
	ReadOnly *pointer     `yaml:"read_only"`
	Max      *pointer     `yaml:"max"`
	Options  *optionsPart `yaml:"options"`
	At       string       `yaml:"at"` // of values, with {name}
	To       string       `yaml:"to"`
}

type typePart struct {
	At    pointer           `yaml:"at"`
	Map   map[string]string `yaml:"map"`
	Other string            `yaml:"other"` // of words that are not in Map; "" = the field is left out
}

type optionsPart struct {
	At    pointer  `yaml:"at"`
	Value *pointer `yaml:"value"` // within an entry; none = the entry itself
	Label *pointer `yaml:"label"`
}

type listPart struct {
	call    `yaml:",inline"`
	Items   pointer           `yaml:"items"`
	Total   *pointer          `yaml:"total"`
	Page    *pagePart         `yaml:"page"`
	All     map[string]string `yaml:"all"` // the query of a full listing besides
	Since   *sincePart        `yaml:"since"`
	Nothing []int             `yaml:"nothing"` // statuses that mean that there is none
}

type pagePart struct {
	Kind  string   `yaml:"kind"`
	First int      `yaml:"first"`
	Next  *pointer `yaml:"next"` // where the next cursor stands, or anything as long as there is more
	More  *pointer `yaml:"more"`
	Last  *pointer `yaml:"last"`
}

type sincePart struct {
	Query   map[string]string `yaml:"query"`
	Body    any               `yaml:"body"`
	Format  string            `yaml:"format"`
	Order   string            `yaml:"order"`
	Grain   time.Duration     `yaml:"grain"`
	Overlap time.Duration     `yaml:"overlap"`
}

type readPart struct {
	call    `yaml:",inline"`
	Record  *pointer `yaml:"record"`
	Items   *pointer `yaml:"items"`
	Nothing []int    `yaml:"nothing"`
}

type findPart struct {
	call    `yaml:",inline"`
	Fields  []string `yaml:"fields"`
	As      string   `yaml:"as"`
	Items   *pointer `yaml:"items"`
	Record  *pointer `yaml:"record"`
	Nothing []int    `yaml:"nothing"`
}

type writePart struct {
	call   `yaml:",inline"`
	Into   pointer    `yaml:"into"`
	Pairs  *pairsPart `yaml:"pairs"`
	Clear  string     `yaml:"clear"`
	Record *pointer   `yaml:"record"`
	ID     *pointer   `yaml:"id"`
}

// pairsPart has values written as a list of names and values.
type pairsPart struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
}

type ownersPart struct {
	Find  *ownerCall `yaml:"find"`
	Read  *ownerCall `yaml:"read"`
	ID    pointer    `yaml:"id"`
	Email pointer    `yaml:"email"`
}

type ownerCall struct {
	call   `yaml:",inline"`
	Items  *pointer `yaml:"items"`
	Record *pointer `yaml:"record"`
}

type errorsPart struct {
	Problems   *pointer          `yaml:"problems"` // where a list of them stands
	Word       *pointer          `yaml:"word"`
	Field      *pointer          `yaml:"field"`
	Existing   *pointer          `yaml:"existing"`
	Failed     *failedPart       `yaml:"failed"`
	Statuses   map[string]string `yaml:"statuses"`
	Words      map[string]string `yaml:"words"`
	Texts      []*textPart       `yaml:"texts"`
	RetryAfter string            `yaml:"retry_after"`
	RequestID  string            `yaml:"request_id"`
}

// failedPart tells a refusal that comes with a status of success.
type failedPart struct {
	At pointer `yaml:"at"`
	Is string  `yaml:"is"`
}

type textPart struct {
	At   pointer `yaml:"at"`
	Has  string  `yaml:"has"`
	Code string  `yaml:"code"`
}

type hooksPart struct {
	Verify  *verifyPart `yaml:"verify"`
	Events  *pointer    `yaml:"events"` // "" = the body; a list, a mapping of lists by word, or one event
	Account *pointer    `yaml:"account"`
	Word    *pointer    `yaml:"word"`
	ID      pointer     `yaml:"id"` // of one record, or a list of them
	At      *timePart   `yaml:"at"`
	// Map says what the word of an event means: an object and a kind of event.
	Map map[string]*meansPart `yaml:"map"`
}

type meansPart struct {
	Object string   `yaml:"object"`
	Kind   string   `yaml:"kind"`
	ID     *pointer `yaml:"id"` // where it stands in another place
}

type verifyPart struct {
	Kind      string   `yaml:"kind"` // hmac, secret, basic, none
	Hash      string   `yaml:"hash"`
	Encoding  string   `yaml:"encoding"`
	Header    string   `yaml:"header"`
	Prefix    string   `yaml:"prefix"`
	User      string   `yaml:"user"`
	Of        []string `yaml:"of"`
	Timestamp string   `yaml:"timestamp"` // the header with the time of sending
	Format    string   `yaml:"format"`
}
