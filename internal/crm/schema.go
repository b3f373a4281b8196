package crm

import (
	"net/url"
	"strings"
	"time"
)

// FieldType is the type of a field across apps; it decides which mappings and transforms fit.
type FieldType string

// The field types.
const (
	TypeText      FieldType = "text"
	TypeEmail     FieldType = "email"
	TypePhone     FieldType = "phone"
	TypeNumber    FieldType = "number"
	TypeBoolean   FieldType = "boolean"
	TypeDate      FieldType = "date"
	TypeDateTime  FieldType = "datetime"
	TypeOption    FieldType = "option"  // one of Options
	TypeOptions   FieldType = "options" // several of Options
	TypeList      FieldType = "list"    // free texts, such as tags
	TypeReference FieldType = "reference"
	TypeURL       FieldType = "url"
	TypeOwner     FieldType = "owner" // a user of the app
)

// FieldTypes lists all.
var FieldTypes = []FieldType{
	TypeText, TypeEmail, TypePhone, TypeNumber, TypeBoolean, TypeDate, TypeDateTime, TypeOption, TypeOptions, TypeList,
	TypeReference, TypeURL, TypeOwner,
}

// Option is one allowed value of a field.
type Option struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// Field describes one field of an object, as discovery found it.
type Field struct {
	Name        string    `json:"name"`
	Label       string    `json:"label"`
	Type        FieldType `json:"type"`
	Required    bool      `json:"required"`  // must be given to create a record
	ReadOnly    bool      `json:"read_only"` // the app refuses writes
	Unique      bool      `json:"unique"`    // the app keeps it unique
	Multiple    bool      `json:"multiple"`
	Options     []Option  `json:"options,omitempty"`
	OpenOptions bool      `json:"open_options,omitempty"` // values outside Options are accepted
	MaxLength   int       `json:"max_length,omitempty"`   // characters; 0 = unknown
	NeverBlank  bool      `json:"never_blank,omitempty"`  // the app refuses to empty it, and fills a new record's
	External    bool      `json:"external,omitempty"`     // may hold our own key: keyed upsert works on it
	ReferenceTo string    `json:"reference_to,omitempty"` // object that a reference points to
	// Refers says of a reference to records of several objects how the IDs of each begin.
	Refers map[string]string `json:"refers,omitempty"`
	With   []string          `json:"with,omitempty"`    // fields that this one means something only together with
	Also   []string          `json:"also,omitempty"`    // fields with more of it, such as further e-mails, by semicolons
	Find   Find              `json:"find,omitempty"`    // how the app compares when records are looked up by it
	FindBy string            `json:"find_by,omitempty"` // the field that the app searches in this one's place
}

// Find is how an app compares a field's values with those it is asked for.
type Find string

// The comparisons. Whatever an app finds is compared again in canonical form.
const (
	FindText   Find = ""       // the whole text, whatever its case
	FindDigits Find = "digits" // the digits of a phone number, all of them, as FindBy holds them
	FindWithin Find = "within" // digits in this order, whatever stands before, between and after them
	FindPart   Find = "part"   // texts that hold the value
	FindNone   Find = "none"   // not at all: nobody can be looked up by it
)

// Object is one record type of an app.
type Object struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	// Activity is set where its records are notes, tasks, calls or meetings, which are
	// about records of other objects.
	Activity *ActivityObject `json:"activity,omitempty"`
	Page     string          `json:"-"` // where people see a record of it: see App.PageOf
	// Family is set where it stands for objects that each account has of its own, whose
	// IDs are its own, a dot and a name. It is described with the app, they are listed by
	// the account.
	Family    bool `json:"-"`
	ReadBatch int  `json:"-"` // records per BatchRead call, where they are fewer than the app's Limits say
}

// Is reports whether an object is o, or one of its family.
func (o *Object) Is(id string) bool {
	return o.ID == id || o.Family && strings.HasPrefix(id, o.ID+".")
}

// ActivityObject says what the records of an activity object are about.
type ActivityObject struct {
	Parents []ActivityParent `json:"parents"`
	// Fixed says that what an activity is about is said when it is made, and stays: a
	// write of it later is refused.
	Fixed bool `json:"-"`
}

// ActivityParent is an object that activities are about, and the field of the
// activity that names its record.
type ActivityParent struct {
	Object string `json:"object"`
	Field  string `json:"field"`
}

// Parent is the field that names the record of an object that an activity is about;
// "" = it can be about none.
func (a *ActivityObject) Parent(object string) string {
	if a == nil {
		return ""
	}
	for _, p := range a.Parents {
		if p.Object == object {
			return p.Field
		}
	}
	return ""
}

// AuthKind is a way to prove who we are to an app.
type AuthKind string

// The ways to authorise.
const (
	AuthOAuth2  AuthKind = "oauth2"
	AuthToken   AuthKind = "token"
	AuthAPIKey  AuthKind = "api_key"
	AuthBasic   AuthKind = "basic"
	AuthKeyPair AuthKind = "key_pair"
)

// AuthField is one value an admin enters to authorise.
type AuthField struct {
	Name     string `json:"name"`
	Label    string `json:"label"`
	Secret   bool   `json:"secret"`
	Required bool   `json:"required"`
}

// AuthMethod is one way an app lets us in, and what an admin has to enter for it.
type AuthMethod struct {
	Kind   AuthKind    `json:"kind"`
	Fields []AuthField `json:"fields"`
}

// Ability is something an app can do beyond the mandatory core.
type Ability string

// The abilities. A claimed one is tested; one not claimed answers Unsupported.
const (
	AbilityWebhooks     Ability = "webhooks"      // the app calls us
	AbilityCreateField  Ability = "create_field"  // custom fields can be made
	AbilityDeleteField  Ability = "delete_field"  // and be deleted
	AbilityDeletedFeed  Ability = "deleted_feed"  // deletions come with Changes
	AbilityArchiveSweep Ability = "archive_sweep" // deletions can be listed, at a price
	AbilityHistory      Ability = "history"       // past values of a field can be read
	AbilityUpsert       Ability = "upsert"        // keyed create-or-update on an External field
	AbilityOwners       Ability = "owners"        // users can be looked up by e-mail
	AbilityArchive      Ability = "archive"       // records can be deleted
	AbilityRecordTimes  Ability = "record_times"  // a modification time per record (policy newest)
	AbilityAnswerValues Ability = "answer_values" // a write answers with the stored values
	AbilityConditional  Ability = "conditional"   // a write can be made conditional on Record.Etag
	AbilityMerges       Ability = "merges"        // merges are reported
	AbilityAbsorbed     Ability = "absorbed"      // who was merged into a record can be asked for
	AbilityPush         Ability = "push"          // records cannot be asked for: deliveries carry them

	AbilitySaveDuplicates Ability = "save_duplicates" // an account can be told to save past the app's duplicate rules
)

// Limits are an app's published limits for one account.
type Limits struct {
	ReadBatch    int           // records per BatchRead call
	FindBatch    int           // key values per BatchFind call
	WriteBatch   int           // records per BatchWrite call
	PageSize     int           // records per page of Changes
	BurstCalls   int           // calls per BurstWindow; 0 = none published
	BurstWindow  time.Duration // rolling
	SearchCalls  int           // searches (Changes, BatchFind) per SearchWindow, apart; 0 = none published
	SearchWindow time.Duration // rolling
	DailyCalls   int           // calls per day; 0 = none published
	OwnCalls     int           // calls of every kind per OwnWindow, by the account's setting; 0 = none set
	OwnWindow    time.Duration // rolling
	IndexLag     time.Duration // until a new record shows in searches
}

// App describes an app as its connector knows it.
type App struct {
	ID        AppID        `json:"id"`
	Name      string       `json:"name"`
	Objects   []Object     `json:"objects"` // the well-known ones; discovery may find more
	Auth      []AuthMethod `json:"auth"`
	Abilities []Ability    `json:"abilities"`
	Warnings  []string     `json:"warnings"`
	Limits    Limits       `json:"-"`
	// SignsWebhooks says that deliveries carry a signature made with a secret of
	// ours; else the address itself is the secret.
	SignsWebhooks bool     `json:"-"`
	Hosts         []string `json:"-"` // host suffixes a base URL of this app may have
	// Blank is how a complete read says that a field is blank; Blanks names the
	// objects where it does so otherwise.
	Blank  Blank            `json:"-"`
	Blanks map[string]Blank `json:"-"`
	Page   string           `json:"-"` // of objects that have none of their own
}

// PageOf is the address at which people see a record in the app: its object's Page, or
// the app's, in which {base} is where data calls go, {account} the portal or org,
// {object} the object, and {id} the record, of an ID that is a path its last part. ""
// where the app has no such pages, or something of that is not known.
func (a App) PageOf(base, account, object, id string) string {
	page := a.Page
	if o := a.Object(object); o != nil && o.Page != "" {
		page = o.Page
	}
	for name, value := range map[string]string{
		"{account}": account, "{object}": object, "{id}": id[strings.LastIndexByte(id, '/')+1:],
	} {
		if strings.Contains(page, name) && value == "" {
			return ""
		}
		page = strings.ReplaceAll(page, name, url.PathEscape(value))
	}
	if rest, ok := strings.CutPrefix(page, "{base}"); ok {
		if base == "" {
			return ""
		}
		page = strings.TrimRight(base, "/") + rest
	}
	return page
}

// Blank is how a complete read of a record (by ID, by look-up or in a listing,
// with the fields asked for by name) says that a field is blank. Answers to
// writes, webhooks, and fields not asked for say nothing by leaving a field out.
type Blank string

// The ways to say blank. With null and empty, a field that was asked for and is
// not there is one that the app does not have, or does not show us.
const (
	BlankOmitted Blank = ""      // it is left out
	BlankNull    Blank = "null"  // null
	BlankEmpty   Blank = "empty" // an empty text or list
)

// BlankOf is how a complete read of an object says blank.
func (a App) BlankOf(object string) Blank {
	if b, ok := a.Blanks[object]; ok {
		return b
	}
	return a.Blank
}

// Object describes one of the app's well-known objects; nil = it is none of them.
func (a App) Object(id string) *Object {
	for i := range a.Objects {
		if a.Objects[i].Is(id) {
			return &a.Objects[i]
		}
	}
	return nil
}

// For is the app as far as an object is concerned: how many of its records are read at once.
func (a App) For(object string) App {
	if o := a.Object(object); o != nil && o.ReadBatch > 0 {
		a.Limits.ReadBatch = o.ReadBatch
	}
	return a
}

// Can reports whether the app claims ability a.
func (a App) Can(ability Ability) bool {
	for _, x := range a.Abilities {
		if x == ability {
			return true
		}
	}
	return false
}
