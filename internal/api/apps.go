package api

import (
	"context"
	"maps"
	"slices"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

func (s *server) registerApps() {
	handle(s, "list-apps", s.listApps)
	handle(s, "get-app", s.getApp)
	handle(s, "set-client", s.setClient)
}

type appPath struct {
	App crm.AppID `path:"app" maxLength:"100"`
}

type appOutput struct {
	Body crm.App
}

func (s *server) listApps(_ context.Context, in *WholeInput) (*listOutput[crm.App], error) {
	var apps []crm.App
	for _, id := range slices.Sorted(maps.Keys(s.Drivers)) {
		apps = append(apps, shown(s.Drivers[id].App))
	}
	return paged(apps, *in)
}

func (s *server) getApp(_ context.Context, in *appPath) (*appOutput, error) {
	d, ok := s.Drivers[in.App]
	if !ok {
		return nil, account.UnknownApp(s.Drivers)
	}
	return &appOutput{Body: shown(d.App)}, nil
}

// shown has no null lists.
func shown(a crm.App) crm.App {
	some(&a.Objects)
	a.Auth = slices.Clone(a.Auth)
	some(&a.Auth)
	for i := range a.Auth {
		some(&a.Auth[i].Fields)
		if a.SignsWebhooks {
			a.Auth[i].Fields = append(slices.Clone(a.Auth[i].Fields), crm.AuthField{Name: account.FieldWebhookSecret, Label: "Client secret, to check webhooks with", Secret: true})
		}
	}
	some(&a.Abilities)
	some(&a.Warnings)
	return a
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
