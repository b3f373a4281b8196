package realgeeks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/rest"
	"github.com/lockstep-crm/lockstep/internal/connector/rows"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// ID is the app's name in settings and URLs.
const ID crm.AppID = "realgeeks"

const object = "leads"

// Driver returns the Real Geeks driver.
func Driver() connector.Driver {
	return connector.Driver{App: app(), Open: Open, Webhooks: webhooks{}}
}

func app() crm.App {
	return crm.App{
		ID:      ID,
		Name:    "Real Geeks",
		Blank:   crm.BlankOmitted,
		Objects: []crm.Object{{ID: object, Label: "Leads"}},
		Auth: []crm.AuthMethod{{Kind: crm.AuthBasic, Fields: []crm.AuthField{
			{Name: "username", Label: "User name of the integration", Required: true},
			{Name: "password", Label: "Password of the integration", Secret: true, Required: true},
			{Name: "site_uuid", Label: "Site UUID", Required: true},
		}}},
		Abilities: []crm.Ability{crm.AbilityWebhooks, crm.AbilityPush, crm.AbilityRecordTimes},
		Warnings: []string{
			"Real Geeks cannot be asked for its leads: what no delivery has told is not known, and cannot be fetched later.",
			"A new lead that the CRM knows already, by its e-mail for example, changes that one in silence.",
			"What is deleted in Real Geeks is not noticed, and leads cannot be deleted through the API.",
		},
		// No limits are published. A new lead is told of within a minute, or tried again after ten.
		Limits:        crm.Limits{ReadBatch: 1, FindBatch: 1, WriteBatch: 1, PageSize: 1, IndexLag: time.Minute},
		SignsWebhooks: true,
		Hosts:         []string{"realgeeks.com"},
	}
}

// api is how Real Geeks is called: with the integration's own user.
// Source: developers.realgeeks.com/incoming-leads-api.
var api = &rest.App{
	Describe: app,
	Base:     "https://receivers.leadrouter.realgeeks.com",
	Auth:     map[crm.AuthKind]rest.Auth{crm.AuthBasic: rest.Basic},
	Errors:   refusals,
}

// Open returns a connector to one site.
//
// Errors: Invalid, naming every problem.
func Open(cfg connector.Config) (connector.Connector, error) {
	c, err := api.Open(cfg)
	if err != nil {
		return nil, err
	}
	one, ok := id(cfg.Credentials["site_uuid"].Reveal())
	if !ok {
		return nil, fault.New("realgeeks: open", fault.Invalid, connector.CodeConfig,
			"the site UUID is none: it stands in the site's Lead Router settings")
	}
	chance := cfg.Rand
	if chance == nil {
		chance = rand.Reader
	}
	return &site{client: c, uuid: dashed(one), chance: chance}, nil
}

// site is one site.
type site struct {
	client *rest.Client
	uuid   string
	chance io.Reader // of new leads' IDs
}

var idPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// id is a lead's or a site's ID in its one form, without dashes.
func id(s string) (crm.RecordID, bool) {
	s = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", "")
	return crm.RecordID(s), idPattern.MatchString(s)
}

// dashed is an ID as addresses have it.
func dashed(id crm.RecordID) string {
	s := string(id)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// App implements connector.Connector.
func (*site) App() crm.App { return app() }

// Extras implements connector.Connector: there are none.
func (*site) Extras() connector.Extras { return connector.Extras{} }

// nobody is the ID of no lead.
const nobody crm.RecordID = "00000000000000000000000000000000"

// Test implements connector.Connector. Nothing can be read, so a lead that is not there is
// changed by nothing: what is refused for its credentials says so before.
func (s *site) Test(ctx context.Context) (connector.Identity, error) {
	one, _ := id(s.uuid)
	who := connector.Identity{ExternalID: string(one), Name: "Real Geeks site " + s.uuid}
	r := rest.Request{
		Op:     "realgeeks: test",
		Method: http.MethodPatch,
		Path:   s.lead("/rest", nobody),
		Body:   map[string]string{},
	}
	got, err := s.client.Call(ctx, r, new(map[string]any))
	if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
		var refused struct {
			Error string `json:"error"`
		}
		if err = nil; json.Unmarshal(got.Body, &refused) != nil || refused.Error == "" {
			err = rest.Malformed(r, "the refusal is none of the Lead Router's")
		}
	}
	return who, err
}

func (s *site) lead(version string, id crm.RecordID) string {
	return version + "/sites/" + s.uuid + "/leads/" + dashed(id)
}

// Objects implements connector.Connector; the one call makes sure that the credentials
// open the site.
func (s *site) Objects(ctx context.Context) ([]crm.Object, error) {
	if _, err := s.Test(ctx); err != nil {
		return nil, err
	}
	return app().Objects, nil
}

// check refuses unknown objects, and calls about more than one takes.
func check(op, name string, n int) error {
	if name != object {
		return fault.New(op, fault.NotFound, connector.CodeObject, "Real Geeks has no such object, or it is not synced")
	}
	return rows.Limit(op, n, 1)
}

// unasked is the answer to whoever asks for leads.
func unasked(op string) error {
	return fault.New(op, fault.Unsupported, connector.CodeUnsupported,
		"Real Geeks cannot be asked for leads: what its deliveries told is kept")
}

// Changes implements connector.Connector: there is nothing to ask.
func (*site) Changes(context.Context, connector.ChangesRequest) (connector.ChangesPage, error) {
	return connector.ChangesPage{}, unasked("realgeeks: list")
}

// BatchRead implements connector.Connector: there is nothing to ask.
func (*site) BatchRead(context.Context, string, []crm.RecordID, []string) ([]connector.Read, error) {
	return nil, unasked("realgeeks: read")
}

// BatchFind implements connector.Connector: there is nothing to ask.
func (*site) BatchFind(context.Context, string, crm.Field, []string, []string) ([][]crm.Record, error) {
	return nil, unasked("realgeeks: find")
}

var _ connector.Connector = (*site)(nil)
