package connectortest_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/connectortest"
	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce"
	"github.com/lockstep-crm/lockstep/internal/connector/salesforce/salesforcefake"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// spoiled is a connector with a bug.
type spoiled struct {
	connector.Connector
	test    func(connector.Identity) connector.Identity
	fields  func([]crm.Field, error) ([]crm.Field, error)
	changes func(*connector.ChangesRequest)
	page    func(*connector.ChangesPage)
	reads   func([]connector.Read, error) ([]connector.Read, error)
	found   func([][]crm.Record)
	context func(context.Context) context.Context
	writes  func([]connector.Write) []connector.Write
	written func([]connector.Written, error) ([]connector.Written, error)
	again   bool
}

func (s spoiled) Test(ctx context.Context) (connector.Identity, error) {
	id, err := s.Connector.Test(ctx)
	if s.test != nil {
		id = s.test(id)
	}
	return id, err
}

func (s spoiled) Fields(ctx context.Context, object string) ([]crm.Field, error) {
	out, err := s.Connector.Fields(ctx, object)
	if s.fields != nil {
		return s.fields(out, err)
	}
	return out, err
}

func (s spoiled) Changes(ctx context.Context, req connector.ChangesRequest) (connector.ChangesPage, error) {
	if s.changes != nil {
		s.changes(&req)
	}
	p, err := s.Connector.Changes(ctx, req)
	if s.page != nil && err == nil {
		s.page(&p)
	}
	return p, err
}

func (s spoiled) BatchRead(
	ctx context.Context, object string, ids []crm.RecordID, fields []string,
) ([]connector.Read, error) {
	out, err := s.Connector.BatchRead(ctx, object, ids, fields)
	if s.reads != nil {
		return s.reads(out, err)
	}
	return out, err
}

func (s spoiled) BatchFind(
	ctx context.Context, object string, field crm.Field, values, fields []string,
) ([][]crm.Record, error) {
	out, err := s.Connector.BatchFind(ctx, object, field, values, fields)
	if s.found != nil {
		s.found(out)
	}
	return out, err
}

func (s spoiled) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	if s.context != nil {
		ctx = s.context(ctx)
	}
	if s.writes != nil {
		writes = s.writes(slices.Clone(writes))
	}
	out, err := s.Connector.BatchWrite(ctx, object, writes)
	if s.again && fault.Is(err, fault.Unavailable) {
		out, err = s.Connector.BatchWrite(ctx, object, writes)
	}
	if s.written != nil {
		return s.written(out, err)
	}
	return out, err
}

// withoutBlanks leaves out of a record what is blank.
func withoutBlanks(r *crm.Record) {
	maps.DeleteFunc(r.Fields, func(_ string, v crm.Value) bool { return v.Blank() })
}

// plants are bugs, each with the test that must catch it.
var plants = map[string]struct {
	test string
	bug  spoiled
}{
	"the end of a scan is passed over": {
		"ChangesBetweenMarks", spoiled{changes: func(r *connector.ChangesRequest) { r.Until = "" }},
	},
	"no mark": {
		"ChangesBetweenMarks", spoiled{page: func(p *connector.ChangesPage) { p.Mark = "" }},
	},
	"anonymous account": {
		"Account", spoiled{test: func(connector.Identity) connector.Identity { return connector.Identity{} }},
	},
	"no unknown object": {
		"Discovery", spoiled{fields: func(f []crm.Field, _ error) ([]crm.Field, error) { return f, nil }},
	},
	"reads in another order": {"Read", spoiled{reads: func(r []connector.Read, err error) ([]connector.Read, error) {
		slices.Reverse(r)
		return r, err
	}}},
	"one missing fails all": {"Read", spoiled{reads: func(r []connector.Read, err error) ([]connector.Read, error) {
		for _, x := range r {
			if x.Err != nil {
				return nil, x.Err
			}
		}
		return r, err
	}}},
	"leaves blanks out of reads": {"Blank", spoiled{reads: func(r []connector.Read, err error) ([]connector.Read, error) {
		for _, x := range r {
			if x.Record != nil {
				withoutBlanks(x.Record)
			}
		}
		return r, err
	}}},
	"leaves blanks out of what it finds": {"Blank", spoiled{found: func(f [][]crm.Record) {
		for _, rs := range f {
			for i := range rs {
				withoutBlanks(&rs[i])
			}
		}
	}}},
	"leaves blanks out of listings": {"Blank", spoiled{page: func(p *connector.ChangesPage) {
		for i := range p.Records {
			withoutBlanks(&p.Records[i])
		}
	}}},
	"takes what does not exist for blank": {
		"Blank",
		spoiled{reads: func(r []connector.Read, err error) ([]connector.Read, error) {
			if fault.CodeOf(err) != "field_missing" {
				return r, err
			}
			return []connector.Read{{Record: &crm.Record{Fields: crm.Fields{"lockstep_no_such_field": crm.Value{}}}}}, nil
		}},
	},
	"finds in another order": {"Find", spoiled{found: func(f [][]crm.Record) { slices.Reverse(f) }}},
	"finds one of two": {"Find", spoiled{found: func(f [][]crm.Record) {
		for i := range f {
			f[i] = f[i][:min(1, len(f[i]))]
		}
	}}},
	"answers in another order": {
		"Create",
		spoiled{written: func(w []connector.Written, err error) ([]connector.Written, error) {
			slices.Reverse(w)
			return w, err
		}},
	},
	"bad row fails all": {"Create", spoiled{written: func(w []connector.Written, err error) ([]connector.Written, error) {
		for _, x := range w {
			if x.Err != nil {
				return nil, x.Err
			}
		}
		return w, err
	}}},
	"upsert creates": {"Upsert", spoiled{writes: func(w []connector.Write) []connector.Write {
		for i := range w {
			w[i].Op, w[i].Fields = connector.Create, w[i].Fields.Clone()
		}
		return w
	}}},
	"null does not clear": {"Update", spoiled{writes: func(w []connector.Write) []connector.Write {
		for i := range w {
			w[i].Fields = w[i].Fields.Clone()
			for k, v := range w[i].Fields {
				if v.Kind() == crm.Null {
					delete(w[i].Fields, k)
				}
			}
		}
		return w
	}}},
	"writes although cancelled": {"Cancelled", spoiled{context: context.WithoutCancel}},
	"tries again itself":        {"Faults", spoiled{again: true}},
	"forgets that it may have landed": {
		"LostReply",
		spoiled{written: func(w []connector.Written, err error) ([]connector.Written, error) {
			if err != nil {
				return nil, fault.Wrap("write", fault.KindOf(err), fmt.Errorf("lost"))
			}
			return w, nil
		}},
	},
	"errors that tell too much": {"Faults", spoiled{
		writes: func(w []connector.Write) []connector.Write { told = fmt.Sprintf("%#v", w[0].Fields); return w },
		written: func(w []connector.Written, err error) ([]connector.Written, error) {
			if err != nil {
				err = fmt.Errorf("writing %s: %w", told, err)
			}
			return w, err
		},
	}},
	"page without its last record": {
		"ChangesFull", spoiled{page: func(p *connector.ChangesPage) { p.Records = p.Records[:max(0, len(p.Records)-1)] }},
	},
	"starts over with each page": {
		"ChangesTies", spoiled{changes: func(r *connector.ChangesRequest) { r.Position = "" }},
	},
	"ends after the first page": {"ChangesTies", spoiled{page: func(p *connector.ChangesPage) {
		if p.Next != "" {
			p.Next, p.Cursor = "", "x"
		}
	}}},
	"keeps deletions to itself": {"ChangesRounds", spoiled{page: func(p *connector.ChangesPage) {
		p.Records = slices.DeleteFunc(p.Records, func(r crm.Record) bool { return r.Deleted })
	}}},
	"lists everything each time": {"ChangesRounds", spoiled{changes: func(r *connector.ChangesRequest) { r.Cursor = "" }}},
	"does not know survivors": {"ChangesMerge", spoiled{page: func(p *connector.ChangesPage) {
		for i := range p.Records {
			p.Records[i].MergedInto = ""
		}
	}}},
}

// told is what the bug "errors that tell too much" tells.
var told string

const (
	plantEnv = "CONNECTORTEST_PLANT"
	instance = "https://made-up.my.salesforce.com"
)

// TestSuiteUnderPlant is the child of TestPlantedBugs: the suite over the bug
// named in the environment.
func TestSuiteUnderPlant(t *testing.T) {
	if os.Getenv(plantEnv) == "" {
		t.Skip("runs as the child of TestPlantedBugs; without a bug the connectors' own tests run the suite")
	}
	bug := plants[os.Getenv(plantEnv)].bug
	connectortest.Run(t, connectortest.Harness{
		Driver: salesforce.Driver(), Object: "Contact", Email: "Email", First: "FirstName", Last: "LastName", Phone: "Phone",
		External: "Lockstep_Id__c", BadField: "Level__c", Bad: crm.TextValue("No such level"), Settle: 2 * time.Minute,
		Unsigned: true,
		New: func(_ testing.TB, clock *connectortest.Clock) connectortest.Fixture {
			fake := salesforcefake.New(fakekit.Config{Now: clock.Now, BaseURL: instance})
			return connectortest.Fixture{
				Fake: connectortest.Kit(fake.Core()), ExternalID: fake.OrgID(), OwnerEmail: fake.OwnerEmail(),
				Token: func() secret.Text {
					access, _ := fake.Token()
					return secret.NewText(access)
				},
				Open: func(t testing.TB, tools connectortest.Tools) connector.Connector {
					c, err := salesforce.Open(connector.Config{
						BaseURL: instance, Kind: crm.AuthOAuth2, Tokens: tools.Tokens, Now: clock.Now,
						HTTP: &http.Client{Transport: tools.Transport(fakekit.Transport(fake))},
					})
					if err != nil {
						t.Fatal(err)
					}
					bug := bug
					bug.Connector = c
					return bug
				},
			}
		},
	})
}

// TestPlantedBugs runs the suite over connectors with a bug each: a suite that
// stays green over any of them would prove nothing.
func TestPlantedBugs(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range plants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestSuiteUnderPlant$/^"+p.test+"$")
			cmd.Env = append(os.Environ(), plantEnv+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("%s did not catch it:\n%s", p.test, out)
			}
			if !strings.Contains(string(out), "--- FAIL: TestSuiteUnderPlant/"+p.test) ||
				strings.Contains(string(out), "panic:") {
				t.Errorf("the child failed otherwise:\n%.4000s", out)
			}
		})
	}
}
