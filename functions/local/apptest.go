package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/connector/declared"
	"github.com/lockstep-crm/lockstep/internal/connector/paced"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/egress"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store/memstore"
)

// appVariable begins the names of the environment variables with credentials.
const appVariable = "LOCKSTEP_APP_"

type appTestCommand struct {
	File        string        `arg:"" placeholder:"FILE" help:"Document of the app."`
	BaseURL     string        `name:"base-url" placeholder:"URL" help:"Where the account is; nothing = the document's."`
	Auth        string        `placeholder:"KIND" help:"Which of the document's ways in; nothing = its first."`
	Credentials string        `type:"existingfile" placeholder:"FILE" help:"${credentials}"`
	Object      string        `placeholder:"NAME" help:"Record type; nothing = the document's first."`
	AllowHost   []string      `placeholder:"HOST[:PORT]" help:"Host beside the app's own; with a port also http."`
	Wait        time.Duration `default:"2m" help:"How long what was written may take to be found and listed."`
}

// credentialsHelp says where the values come from.
const credentialsHelp = "YAML or JSON file with a value for each field of the way in, such as api_key: …; " +
	"a field that it lacks is read from LOCKSTEP_APP_<FIELD>, such as LOCKSTEP_APP_API_KEY."

// Run tries the document on a real account: what it lists is only read, and what is
// written are records that it made itself and deletes again.
func (c *appTestCommand) Run(ctx context.Context, w *world) error {
	t := &appTest{screen: newScreen(w), wait: c.Wait, ctx: ctx}
	if err := c.open(t, w); err != nil {
		return err
	}
	t.run()
	if t.failed > 0 {
		return fault.New("app: test", fault.Other, "app_test_failed", fmt.Sprintf("%d of %d checks failed", t.failed,
			t.checks))
	}
	t.screen.say("%d checks passed, %d not made", t.checks, t.skipped)
	return nil
}

// open makes the connector, within the limits that the document declares.
func (c *appTestCommand) open(t *appTest, w *world) error {
	text, err := os.ReadFile(filepath.Clean(c.File))
	if err != nil {
		return fault.New("app: test", fault.Invalid, "invalid_config", c.File+": it cannot be read")
	}
	doc, err := declared.Parse(c.File, text)
	if err != nil {
		return err
	}
	driver := doc.Driver()
	way, err := c.way(driver.App)
	if err != nil {
		return err
	}
	credentials, err := c.credentials(way, w)
	if err != nil {
		return err
	}
	guard, err := egress.New(egress.Options{Allow: c.AllowHost})
	if err != nil {
		return err
	}
	if c.BaseURL != "" {
		if err := guard.CheckURL(driver.App, c.BaseURL); err != nil {
			return err
		}
	}
	names := slices.Sorted(maps.Keys(doc.Objects))
	if t.object = c.Object; t.object == "" {
		t.object = names[0]
	}
	if !slices.Contains(names, t.object) {
		return fault.New("app: test", fault.Invalid, "invalid_config",
			"--object: the document has no "+t.object+"; it has "+strings.Join(names, ", "))
	}
	conn, err := driver.Open(connector.Config{
		BaseURL: c.BaseURL, Kind: way.Kind, Credentials: credentials,
		Now: time.Now, HTTP: guard.Client(driver.App, c.BaseURL),
	})
	if err != nil {
		return err
	}
	t.conn = paced.Wrap(conn, paced.Budget{
		Store: memstore.New(
			time.Now,
		), Workspace: "test", Account: "test", Now: time.Now, Sleep: pause, MaxWait: 2 * time.Minute,
	})
	return nil
}

// way is the way in that was asked for.
func (c *appTestCommand) way(app crm.App) (crm.AuthMethod, error) {
	var kinds []string
	for _, m := range app.Auth {
		if c.Auth == "" || c.Auth == string(m.Kind) {
			return m, nil
		}
		kinds = append(kinds, string(m.Kind))
	}
	return crm.AuthMethod{}, fault.New("app: test", fault.Invalid, "invalid_config",
		"--auth: the document has no "+c.Auth+"; it has "+strings.Join(kinds, ", "))
}

// credentials come from a file or the environment: the arguments of a process can
// be read by others.
func (c *appTestCommand) credentials(way crm.AuthMethod, w *world) (map[string]secret.Text, error) {
	given := map[string]string{}
	if c.Credentials != "" {
		text, err := os.ReadFile(filepath.Clean(c.Credentials))
		if err != nil || yaml.Unmarshal(text, &given) != nil {
			return nil, fault.New("app: test", fault.Invalid, "invalid_config",
				"--credentials: the file is no list of fields and their values, such as api_key: …")
		}
	}
	out := map[string]secret.Text{}
	for _, f := range way.Fields {
		variable := appVariable + strings.ToUpper(f.Name)
		value := given[f.Name]
		if value == "" {
			value = w.env(variable)
		}
		if value == "" && (f.Required || f.Secret) {
			return nil, fault.New("app: test", fault.Invalid, "invalid_config",
				f.Name+" is missing: put it into the file of --credentials, or into "+variable)
		}
		out[f.Name] = secret.NewText(value)
	}
	return out, nil
}

// pause waits, or ends with ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
