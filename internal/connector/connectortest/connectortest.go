// Package connectortest is the suite that every connector passes against its
// fake, and that a model of a connector passes too. It asks for what the port
// promises: order and completeness of batches, an error's kind for each fault,
// scans that miss nothing, abilities that are what they claim to be.
//
// A connector's own tests hold what is particular to its app.
package connectortest

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/testclock"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// Harness is an app under test.
type Harness struct {
	Driver connector.Driver
	// New returns a fresh, empty fake. Both it and the connectors tell time by
	// clock. The fake's limits must not be in the way of a few thousand calls at
	// one instant.
	New func(t testing.TB, clock *Clock) Fixture

	// Object is the record type under test. It holds people, with these fields.
	Object                    string
	Email, First, Last, Phone string
	// External is the field for our own key; required with AbilityUpsert.
	External string
	// Bad is a value that the app refuses for BadField of a record that is fine otherwise.
	BadField string
	Bad      crm.Value
	// Refusals are bodies with which the app refuses something; Answers tells what
	// becomes of each, with every status, in every call. nil = none.
	Refusals []string
	// Settle is how long after a change everything shows it: index lag and overlap.
	Settle time.Duration
	// Ties is how many records at one instant a scan must get past; 0 = two pages and one.
	Ties int
	// Unsigned says that deliveries carry no signature: then only the account they
	// name is checked, and altered bodies pass.
	Unsigned bool
	// Password says that deliveries carry a secret and no signature: who does not
	// know it is refused, and altered or old ones pass.
	Password bool
	// Fixed says that the credentials are a key that nothing renews.
	Fixed bool
	// OnePage says that the app lists everything in one answer.
	OnePage bool
	// Nameless says that people are not looked up by their last name.
	Nameless bool
	// PhoneOf writes the phone of person i, where the app takes numbers of its own form only.
	PhoneOf func(i int) string
	// Signs is what deliveries prove besides who sent them; nil = all of it.
	Signs *Signs
	// WriteCalls is how many requests one call of BatchWrite may take, where an app's
	// writes need to know what they replace; 0 = one.
	WriteCalls int
	// FieldCalls is how many requests a list of fields takes, where an app describes them
	// in several places; 0 = one.
	FieldCalls int
	// WriteAt is where the write itself goes among them, as a fault's endpoint, "" = it is
	// the first request.
	WriteAt string
	// ArchiveAt is where a deletion goes, "" = WriteAt.
	ArchiveAt string
	// WholeBatches says that a batch with a bad row is refused, and that its other rows are
	// to be sent again.
	WholeBatches bool
	// NoMarks says that changes are listed by a token of the app's, and not by time.
	NoMarks bool
}

// Signs is what a signed delivery proves.
type Signs struct {
	Address bool // that it was sent to us
	Time    bool // when it was sent
	Account bool // it names the account that it is of
}

// Fixture is one fake and the way to it.
type Fixture struct {
	Fake Fake
	// Open returns a fresh connector instance on the fake's account.
	Open func(t testing.TB, tools Tools) connector.Connector
	// Token makes an access token that can expire and be revoked.
	Token func() secret.Text
	// ExternalID is the account's portal or org ID.
	ExternalID string
	// OwnerEmail is a user's address; required with AbilityOwners.
	OwnerEmail string
	// HookURL is the webhook address that deliveries go to, "" = "https://lockstep.example/hooks/token".
	HookURL string
}

// Tools is what a connector instance is opened with.
type Tools struct {
	Tokens connector.Tokens
	// Wrap is put around the fake's transport; nil = nothing.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// Transport applies Wrap.
func (t Tools) Transport(rt http.RoundTripper) http.RoundTripper {
	if t.Wrap == nil {
		return rt
	}
	return t.Wrap(rt)
}

// Fake is what the suite does to an app. Kit makes one of a fakekit.Core.
type Fake interface {
	Create(object string, fields map[string]string) (crm.RecordID, error)
	Update(object string, id crm.RecordID, fields map[string]string) error
	Delete(object string, id crm.RecordID) error
	// Merge merges id into the record into and returns the survivor.
	Merge(object string, id, into crm.RecordID) (crm.RecordID, error)
	// Live returns the records not deleted; empty fields have no entry.
	Live(object string) map[crm.RecordID]map[string]string
	Inject(f fakekit.Fault) error
	// Break makes batch reads fail at these records alone, until it is called again.
	Break(ids ...crm.RecordID)
	ExpireTokens() int
	RevokeTokens() int
	// Calls counts the requests of connectors since the start.
	Calls() int
	// Hook makes user edits send events; Deliveries takes them.
	Hook(url, secret string)
	Deliveries() []connector.WebhookRequest
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *suite)
	}{
		{"App", testApp},
		{"Abilities", testAbilities},
		{"Account", testAccount},
		{"Discovery", testDiscovery},
		{"Read", asking(testRead)},
		{"ReadBrokenRow", asking(testReadBroken)},
		{"Blank", asking(testBlank)},
		{"Find", asking(testFind)},
		{"FindByEveryField", asking(testFindByEveryField)},
		{"FindHostileText", asking(testFindHostile)},
		{"Limits", testLimits},
		{"Create", testCreate},
		{"Update", testUpdate},
		{"Archive", testArchive},
		{"Upsert", testUpsert},
		{"FullBatch", testFullBatch},
		{"Concurrent", asking(testConcurrent)},
		{"ChangesRounds", asking(testChangesRounds)},
		{"ChangesFull", asking(testChangesFull)},
		{"ChangesEditedMeanwhile", asking(testChangesEdited)},
		{"ChangesTies", asking(testChangesTies)},
		{"ChangesBetweenMarks", asking(testChangesBetween)},
		{"ChangesRepeatedPage", asking(testChangesRepeated)},
		{"ChangesBadPosition", asking(testChangesPosition)},
		{"ChangesMerge", asking(testChangesMerge)},
		{"Deletions", asking(testDeletions)},
		{"Faults", testFaults},
		{"LostReply", testLostReply},
		{"Cancelled", testCancelled},
		{"TokenExpired", testTokenExpired},
		{"TokenRevoked", testTokenRevoked},
		{"TokenAlwaysRefused", testTokenRefused},
		{"Owners", testOwners},
		{"Nobody", testNobody},
		{"CreateField", testCreateField},
		{"DeleteField", testDeleteField},
		{"Activities", asking(testActivities)},
		{"History", testHistory},
		{"Webhooks", testWebhooks},
		{"Push", testPush},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, newSuite(t, h))
		})
	}
}

// suite is one test's fixture.
type suite struct {
	Harness
	Fixture
	app    crm.App
	clock  *Clock
	tokens *Tokens
	conn   connector.Connector
}

func newSuite(t testing.TB, h Harness) *suite {
	s := &suite{Harness: h, app: h.Driver.App, clock: NewClock()}
	s.Fixture = h.New(t, s.clock)
	s.tokens = NewTokens(s.Token)
	s.conn = s.open(t)
	return s
}

// open returns a fresh instance that shares nothing but the account's tokens.
func (s *suite) open(t testing.TB) connector.Connector {
	return s.Open(t, Tools{Tokens: s.tokens})
}

// fields lists the fields that tests read.
func (s *suite) fields() []string { return []string{s.Email, s.First, s.Last, s.Phone} }

// person makes the fields of a made-up person.
func (s *suite) person(i int) map[string]string {
	phone := "+1 415 555 0" + pad(i)
	if s.PhoneOf != nil {
		phone = s.PhoneOf(i)
	}
	return map[string]string{s.Email: email(i), s.First: "Given" + text(i), s.Last: "Family" + text(i), s.Phone: phone}
}

// must creates people as users would, and returns their IDs in order.
func (s *suite) must(t testing.TB, from, n int) []crm.RecordID {
	t.Helper()
	ids := make([]crm.RecordID, n)
	for i := range ids {
		id, err := s.Fake.Create(s.Object, s.person(from+i))
		if err != nil {
			t.Fatalf("creating a record in the fake: %v", err)
		}
		ids[i] = id
	}
	return ids
}

// settle lets everything show.
func (s *suite) settle() { s.clock.Advance(s.Settle + time.Second) }

// read reads records, in as many calls as the app's limit wants. Where that is one
// record a call, the call's failure is the record's.
func (s *suite) read(ctx context.Context, ids []crm.RecordID, fields []string) ([]connector.Read, error) {
	var out []connector.Read
	for part := range slices.Chunk(ids, s.app.Limits.ReadBatch) {
		some, err := s.conn.BatchRead(ctx, s.Object, part, fields)
		if err != nil && s.app.Limits.ReadBatch == 1 {
			some, err = []connector.Read{{ID: part[0], Err: err}}, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// values turns a fake's fields into what a connector writes.
func values(m map[string]string) crm.Fields {
	out := crm.Fields{}
	for k, v := range m {
		out[k] = crm.TextValue(v)
	}
	return out
}

// texts turns a record's fields into text; blanks have no entry.
func texts(f crm.Fields, names []string) map[string]string {
	out := map[string]string{}
	for _, n := range names {
		if v := f[n]; !v.Blank() {
			out[n] = v.Text()
		}
	}
	return out
}

// only keeps the named fields.
func only(m map[string]string, names []string) map[string]string {
	out := maps.Clone(m)
	maps.DeleteFunc(out, func(k, _ string) bool { return !slices.Contains(names, k) })
	return out
}

// Clock is a clock that only tests move.
type Clock = testclock.Clock

// NewClock returns a clock at a fixed time.
func NewClock() *Clock { return testclock.At(time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)) }
