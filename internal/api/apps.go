package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

func (s *server) registerApps() {
	handle(s, "list-apps", s.listApps)
	handle(s, "get-app", s.getApp)
	handle(s, "list-partners", s.listPartners)
	handle(s, "set-client", s.setClient)

	handle(s, "list-app-documents", s.listAppDocuments)
	handle(s, "get-app-document", s.getAppDocument)
	handle(s, "put-app-document", s.putAppDocument,
		orAnswers(http.StatusCreated, "AppDocumentText", "The app was not described before"))
	handle(s, "delete-app-document", s.deleteAppDocument)
	handle(s, "validate-app-document", s.validateAppDocument)
	handle(s, "get-app-document-schema", s.getAppDocumentSchema,
		mediaAnswer("application/schema+json", anyObject("A JSON Schema")))
}

type appPath struct {
	App crm.AppID `path:"app" maxLength:"100"`
}

// App is an app as its connector knows it.
type App struct {
	ID        crm.AppID        `json:"id"`
	Name      string           `json:"name"`
	Objects   []crm.Object     `json:"objects" doc:"The well-known ones; discovery may find more"`
	Auth      []crm.AuthMethod `json:"auth"`
	Abilities []crm.Ability    `json:"abilities"`
	Warnings  []string         `json:"warnings"`
	Limits    AppLimits        `json:"limits"`
}

// AppLimits are an app's published limits for one account, times in seconds.
type AppLimits struct {
	ReadBatch    int     `json:"read_batch" doc:"Records per call that reads by ID"`
	FindBatch    int     `json:"find_batch" doc:"Values per look-up"`
	WriteBatch   int     `json:"write_batch" doc:"Records per call that writes"`
	PageSize     int     `json:"page_size" doc:"Records per page of changes"`
	BurstCalls   int     `json:"burst_calls" doc:"Calls per burst_window_seconds; 0 = none published"`
	BurstWindow  float64 `json:"burst_window_seconds"`
	SearchCalls  int     `json:"search_calls" doc:"Searches per search_window_seconds, in a budget of their own; 0 = none published"`
	SearchWindow float64 `json:"search_window_seconds"`
	DailyCalls   int     `json:"daily_calls" doc:"Calls per day; 0 = none published"`
	IndexLag     float64 `json:"index_lag_seconds" doc:"Until a new record shows in searches"`
}

type appOutput struct {
	Body App
}

func (s *server) listApps(ctx context.Context, in *struct {
	WholeInput
	Query string `query:"q" maxLength:"100" doc:"A part of the name or the ID, whatever its case"`
},
) (*listOutput[App], error) {
	drivers, err := s.drivers(ctx)
	if err != nil {
		return nil, err
	}
	apps := slices.DeleteFunc(shownAll(drivers), func(a App) bool {
		wanted := strings.ToLower(strings.TrimSpace(in.Query))
		return !strings.Contains(strings.ToLower(a.Name), wanted) && !strings.Contains(string(a.ID), wanted)
	})
	return paged(apps, in.WholeInput)
}

// drivers are those of the apps of the caller's workspace.
func (s *server) drivers(ctx context.Context) (map[crm.AppID]connector.Driver, error) {
	return s.Accounts.Apps(ctx, access.From(ctx).Workspace)
}

// shownAll are the apps by name.
func shownAll(drivers map[crm.AppID]connector.Driver) []App {
	apps := []App{}
	for _, id := range slices.Sorted(maps.Keys(drivers)) {
		apps = append(apps, shown(drivers[id].App))
	}
	slices.SortStableFunc(apps, func(a, b App) int {
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return apps
}

// Partner is an app that can be connected with another one.
type Partner struct {
	App     crm.AppID `json:"app"`
	Name    string    `json:"name"`
	Presets []string  `json:"presets" doc:"Ready-made connections of the two"`
}

// listPartners lists what goes with a first app: an app goes with every app
// whose records of some kind it can read or write, itself in another account
// included.
func (s *server) listPartners(ctx context.Context, in *struct {
	App crm.AppID `path:"app" maxLength:"100"`
	WholeInput
},
) (*listOutput[Partner], error) {
	drivers, err := s.drivers(ctx)
	if err != nil {
		return nil, err
	}
	first, ok := drivers[in.App]
	if !ok {
		return nil, account.UnknownApp(drivers)
	}
	presets := presetsOf(drivers)
	out := []Partner{}
	for _, a := range shownAll(drivers) {
		if len(first.App.Objects) == 0 || len(a.Objects) == 0 {
			continue // nothing of it can be synced
		}
		p := Partner{App: a.ID, Name: a.Name, Presets: []string{}}
		for _, known := range presets {
			if known.Left == in.App && known.Right == a.ID || known.Left == a.ID && known.Right == in.App {
				p.Presets = append(p.Presets, known.ID)
			}
		}
		out = append(out, p)
	}
	return paged(out, in.WholeInput)
}

func (s *server) getApp(ctx context.Context, in *appPath) (*appOutput, error) {
	drivers, err := s.drivers(ctx)
	if err != nil {
		return nil, err
	}
	d, ok := drivers[in.App]
	if !ok {
		return nil, account.UnknownApp(drivers)
	}
	return &appOutput{Body: shown(d.App)}, nil
}

// shown has no null lists.
func shown(a crm.App) App {
	some(&a.Objects)
	a.Auth = slices.Clone(a.Auth)
	some(&a.Auth)
	for i := range a.Auth {
		some(&a.Auth[i].Fields)
		if a.SignsWebhooks {
			a.Auth[i].Fields = append(slices.Clone(a.Auth[i].Fields), crm.AuthField{
				Name: account.FieldWebhookSecret, Label: "Client secret, to check webhooks with", Secret: true,
			})
		}
	}
	some(&a.Abilities)
	some(&a.Warnings)
	l := a.Limits
	return App{
		ID: a.ID, Name: a.Name, Objects: a.Objects, Auth: a.Auth, Abilities: a.Abilities, Warnings: a.Warnings,
		Limits: AppLimits{
			ReadBatch: l.ReadBatch, FindBatch: l.FindBatch, WriteBatch: l.WriteBatch, PageSize: l.PageSize,
			BurstCalls: l.BurstCalls, BurstWindow: l.BurstWindow.Seconds(),
			SearchCalls: l.SearchCalls, SearchWindow: l.SearchWindow.Seconds(),
			DailyCalls: l.DailyCalls, IndexLag: l.IndexLag.Seconds(),
		},
	}
}

type clientInput struct {
	App  crm.AppID `path:"app" maxLength:"100"`
	Body struct {
		ClientID     string `json:"client_id" minLength:"1" maxLength:"500"`
		ClientSecret string `json:"client_secret" minLength:"1" maxLength:"4000"`
		RedirectURI  string `json:"redirect_uri" minLength:"1" maxLength:"2000"`
	} `nameHint:"OAuthClient"`
}

func (s *server) setClient(ctx context.Context, in *clientInput) (*struct{}, error) {
	who := access.From(ctx)
	after := []byte(`{"client_secret":"[redacted]"}`) // IDs of clients are no secret, but say nothing an auditor needs
	err := s.audit.Do(ctx, who, requestID(ctx), "app.set_client", string(in.App), nil, after, func() error {
		return s.Accounts.SetClient(ctx, who.Workspace, in.App, connector.Client{
			ID: in.Body.ClientID, Secret: secret.NewText(in.Body.ClientSecret), RedirectURI: in.Body.RedirectURI,
		})
	})
	return nil, err
}
