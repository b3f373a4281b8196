package account

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// storedClient is the item of our OAuth client at an app, sealed whole.
type storedClient struct {
	V      int    `json:"v"`
	Sealed []byte `json:"sealed"`
}

// clientForm is what is sealed.
type clientForm struct {
	ID          string `json:"id"`
	Secret      string `json:"secret"`
	RedirectURI string `json:"redirect_uri"`
}

func clientBinding(ws crm.WorkspaceID, app crm.AppID) secret.Binding {
	return secret.Binding{Workspace: string(ws), Subject: string(app), Purpose: purposeClient}
}

// SetClient stores the workspace's OAuth client at an app, in place of the one
// before. Its secret also checks the webhooks of apps that sign with it.
//
// Errors: NotFound for an unknown app; Unsupported for one without OAuth;
// Invalid with Field.
func (s *Service) SetClient(ctx context.Context, ws crm.WorkspaceID, app crm.AppID, c connector.Client) error {
	d, _, err := s.driverFor(ctx, ws, app)
	if err != nil {
		return err
	}
	if d.OAuth == nil {
		return fault.New("account: set client", fault.Unsupported, "unsupported", d.App.Name+" has no OAuth")
	}
	if err := checkClient(c); err != nil {
		return err
	}
	sealed, err := s.sealJSON(ctx, clientBinding(ws, app), clientForm{
		ID: c.ID, Secret: c.Secret.Reveal(), RedirectURI: c.RedirectURI,
	})
	if err != nil {
		return err
	}
	b, err := encode(storedClient{V: formatVersion, Sealed: sealed})
	if err != nil {
		return err
	}
	_, err = s.o.Store.Write(ctx, store.Write{Item: store.Item{Key: settingsKey(ws, clientPrefix+string(app)), Data: b}})
	if err != nil {
		return fmt.Errorf("account: write client: %w", err)
	}
	return nil
}

func checkClient(c connector.Client) error {
	bad := func(field, message string) error {
		return &fault.Error{
			Op: "account: set client", Kind: fault.Invalid, Code: "invalid_client", Field: field, Message: message,
		}
	}
	switch {
	case !printable(c.ID, 500):
		return bad("client_id", "the client's ID is required: printable characters without blanks")
	case !printable(c.Secret.Reveal(), 4096):
		return bad("client_secret", "the client's secret is required: printable characters without blanks")
	case !redirect(c.RedirectURI):
		return bad("redirect_uri", "the redirect address must be https, or http on this machine, without user name or "+
			"fragment")
	}
	return nil
}

func printable(s string, limit int) bool {
	return s != "" && len(s) <= limit &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) })
}

// redirect accepts what RFC 8252 and common practice allow: https anywhere,
// http on loopback only.
func redirect(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 2000 || u.Host == "" || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return false
	}
	host := u.Hostname()
	return u.Scheme == "https" || u.Scheme == "http" && (host == "localhost" || host == "127.0.0.1" || host == "::1")
}

// Client returns the workspace's OAuth client at an app. It never leaves the
// server. NotFound when none was set.
func (s *Service) Client(ctx context.Context, ws crm.WorkspaceID, app crm.AppID) (connector.Client, error) {
	const op = "account: read client"
	item, err := s.o.Store.Get(ctx, settingsKey(ws, clientPrefix+string(app)))
	if fault.Is(err, fault.NotFound) {
		return connector.Client{}, fault.New(op, fault.NotFound, codeNoClient, "no OAuth client is set for this app")
	}
	if err != nil {
		return connector.Client{}, fmt.Errorf("%s: %w", op, err)
	}
	return s.decodeClient(ctx, ws, app, item)
}

func (s *Service) decodeClient(
	ctx context.Context, ws crm.WorkspaceID, app crm.AppID, item store.Item,
) (connector.Client, error) {
	const op = "account: decode client"
	var c storedClient
	if err := decode(op, item.Data, &c); err != nil {
		return connector.Client{}, err
	}
	if err := checkFormat(op, c.V); err != nil {
		return connector.Client{}, err
	}
	var f clientForm
	if err := s.openJSON(ctx, clientBinding(ws, app), c.Sealed, &f); err != nil {
		return connector.Client{}, err
	}
	return connector.Client{ID: f.ID, Secret: secret.NewText(f.Secret), RedirectURI: f.RedirectURI}, nil
}
