package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// connectionsExport is lockstep export.
type connectionsExport struct {
	remoteServer
	Connections []string `arg:"" optional:"" placeholder:"CONNECTION" help:"IDs or exact names; none means all."`
	To          string   `placeholder:"FOLDER" help:"Write one file each, named after the connection; made when missing. Without it a single connection goes to standard output."`
}

// named is a connection or an account in a list; Status is of the one, App of the other.
type named struct{ ID, Name, Status, App string }

// Run writes connections as files. A file that says the same already is left as it is.
func (c *connectionsExport) Run(ctx context.Context, w *world) error {
	server, err := c.caller(w)
	if err != nil {
		return err
	}
	all, err := listed[named](ctx, server, "/v1/connections")
	if err != nil {
		return err
	}
	chosen, err := c.chosen(all)
	if err != nil {
		return err
	}
	if c.To == "" && len(chosen) != 1 {
		return fault.New("client: export", fault.Invalid, "invalid_config",
			fmt.Sprintf("%d connections do not fit into one file: name one, or give a folder with --to", len(chosen)))
	}
	if c.To != "" {
		if err := os.MkdirAll(c.To, 0o750); err != nil {
			return err
		}
	}
	files := map[string]string{}
	for _, one := range chosen {
		var text []byte
		if err := server.call(ctx, http.MethodGet, "/v1/connections/"+url.PathEscape(one.ID)+"/export", "", nil,
			&text); err != nil {
			return err
		}
		if c.To == "" {
			_, err := w.out.Write(text)
			return err
		}
		path := filepath.Join(c.To, fileName(one.Name)+".yaml")
		if _, taken := files[path]; taken {
			path = filepath.Join(c.To, fileName(one.Name)+"-"+one.ID+".yaml")
		}
		files[path] = one.ID
		if err := written(newScreen(w), path, text); err != nil {
			return err
		}
	}
	return nil
}

// chosen finds the connections that are asked for.
func (c *connectionsExport) chosen(all []named) (out []named, err error) {
	for _, one := range all {
		if len(c.Connections) == 0 && one.Status != "deleting" {
			out = append(out, one)
		}
	}
	for _, want := range c.Connections {
		one, err := only("CONNECTION", "connections", want, all)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// written writes a file that says something else.
func written(screen *screen, path string, text []byte) error {
	if old, err := os.ReadFile(filepath.Clean(path)); err == nil && bytes.Equal(old, text) {
		screen.say("%s: unchanged", path)
		return nil
	}
	if err := os.WriteFile(filepath.Clean(path), text, 0o600); err != nil {
		return err
	}
	screen.say("%s: written", path)
	return nil
}

// fileName makes a name that every file system takes.
func fileName(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	return "connection"
}
