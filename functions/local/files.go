package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Connections as files: YAML as GET /v1/connections/{id}/export writes it, one
// connection a file. The server compares and judges; these commands only read
// files, call it, and print what it says.

// errChanges ends a command that found, or made, changes.
var errChanges = errors.New("there are changes")

// Exit codes of the commands about files, as tools of that kind have them.
const (
	exitNothing = 0
	exitFailed  = 1
	exitChanges = 2
)

// filesOnly are the commands whose exit code 2 means changes, and nothing else.
var filesOnly = []string{"validate", "plan", "apply", "export"}

// aboutFiles are the arguments of validate, plan and apply.
type aboutFiles struct {
	remoteServer
	Files []string `arg:"" optional:"" placeholder:"FILE" help:"Connections in YAML, one a file; a folder means all *.yaml and *.yml in it."`
}

// connectionFile is one file as it was read.
type connectionFile struct {
	path string
	text []byte
}

func (f connectionFile) digest() string {
	sum := sha256.Sum256(f.text)
	return hex.EncodeToString(sum[:])
}

// read reads all files, those of folders in the order of their names.
func (a aboutFiles) read() (out []connectionFile, err error) {
	const op = "client: files"
	if len(a.Files) == 0 {
		return nil, fault.New(op, fault.Invalid, "invalid_config",
			"name files or folders with connections; lockstep export writes such files")
	}
	for _, name := range a.Files {
		paths := []string{name}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			entries, err := os.ReadDir(name)
			if err != nil {
				return nil, err
			}
			paths = nil
			for _, e := range entries {
				if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
					paths = append(paths, filepath.Join(name, e.Name()))
				}
			}
			if paths == nil {
				return nil, fault.New(op, fault.Invalid, "invalid_config", name+": there is no *.yaml file in this folder")
			}
		}
		for _, path := range paths {
			text, err := os.ReadFile(filepath.Clean(path))
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fault.New(op, fault.Invalid, "invalid_config", path+": there is no such file")
			}
			if err != nil {
				return nil, err
			}
			out = append(out, connectionFile{path, text})
		}
	}
	return out, nil
}

// change is one place at which a file and the server differ.
type change struct {
	Pointer, Change string
	Before, After   json.RawMessage
}

// filePlan is what an import of one file would do, as the server says.
type filePlan struct {
	Action     string
	Connection string
	ETag       string `json:"etag"`
	Changes    []change
	Touches    []struct {
		Sync, What, Detail string
		Records            struct{ Left, Right int64 }
	}
	Draft    bool // the connection is a draft, or becomes one
	Valid    bool
	Problems []place
	Warnings []place
}

const yamlMedia = "application/yaml"

// look asks the server what an import of a file would do. What it refuses of the
// file's form is a problem like any other.
func (c *caller) look(ctx context.Context, f connectionFile) (p filePlan, err error) {
	err = c.call(ctx, http.MethodPost, "/v1/connections/import/plan", yamlMedia, f.text, &p)
	var r *refusal
	if errors.As(err, &r) && r.Status == http.StatusBadRequest {
		p.Problems = r.Errors
		if len(p.Problems) == 0 {
			p.Problems = []place{{Detail: r.Detail, Code: r.Code}}
		}
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("%s: %w", f.path, err)
	}
	return p, nil
}

// brief writes a value on one line, cut where it gets long.
func brief(v json.RawMessage) string {
	const most = 100
	var b bytes.Buffer
	if json.Compact(&b, v) != nil {
		return string(v)
	}
	r := []rune(b.String())
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}

// print says what a plan says.
func (p filePlan) print(screen *screen, f connectionFile) {
	switch {
	case !p.Valid && p.Draft:
		screen.say("%s: %d problems; it could be saved as a draft", f.path, len(p.Problems))
	case !p.Valid:
		screen.say("%s: %d problems", f.path, len(p.Problems))
	case p.Action == "create":
		screen.say("%s: a connection to create, as a draft", f.path)
	case p.Action == "change":
		screen.say("%s: %s changes, version %s", f.path, p.Connection, p.ETag)
	default:
		screen.say("%s: %s is like that", f.path, p.Connection)
	}
	for _, one := range p.Problems {
		screen.say("  problem %s", one)
	}
	for _, c := range p.Changes {
		switch c.Change {
		case "added":
			screen.say("  + %s  %s", c.Pointer, brief(c.After))
		case "removed":
			screen.say("  - %s  %s", c.Pointer, brief(c.Before))
		default:
			screen.say("  ~ %s  %s -> %s", c.Pointer, brief(c.Before), brief(c.After))
		}
	}
	for _, t := range p.Touches {
		whom := "the connection"
		if t.Sync != "" {
			whom = t.Sync
		}
		if t.Records.Left+t.Records.Right > 0 {
			whom += fmt.Sprintf(", %s records left and %s right", number(t.Records.Left), number(t.Records.Right))
		}
		screen.say("  touches %s (%s): %s", strings.ReplaceAll(t.What, "_", " "), whom, t.Detail)
	}
}

// connectionsValidate is lockstep validate.
type connectionsValidate struct{ aboutFiles }

// Run checks files as a save would.
func (c *connectionsValidate) Run(ctx context.Context, w *world) error {
	plans, _, err := c.plans(ctx, w, func(screen *screen, f connectionFile, p filePlan) {
		if p.Valid {
			screen.say("%s: valid", f.path)
		} else {
			p.Changes, p.Touches = nil, nil
			p.print(screen, f)
		}
		for _, one := range p.Warnings {
			screen.say("  warning %s", one)
		}
	})
	if err != nil {
		return err
	}
	return refuseInvalid(plans, false)
}

// plans looks at every file and has each told.
func (a aboutFiles) plans(
	ctx context.Context, w *world, tell func(*screen, connectionFile, filePlan),
) ([]filePlan, []connectionFile, error) {
	files, err := a.read()
	if err != nil {
		return nil, nil, err
	}
	c, err := a.caller(w)
	if err != nil {
		return nil, nil, err
	}
	screen := newScreen(w)
	plans := make([]filePlan, len(files))
	for i, f := range files {
		if plans[i], err = c.look(ctx, f); err != nil {
			return nil, nil, err
		}
		tell(screen, f, plans[i])
	}
	return plans, files, nil
}

// refuseInvalid ends a command when a file has problems, which are told by then.
// With drafts, a connection that was never started may have some.
func refuseInvalid(plans []filePlan, drafts bool) error {
	n := 0
	for _, p := range plans {
		if !p.Valid && (!drafts || !p.Draft) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return fault.New("client: validate", fault.Invalid, "invalid_document",
		fmt.Sprintf("%d of %d files have problems: nothing was changed", n, len(plans)))
}

// withDrafts lets commands take half-finished connections.
type withDrafts struct {
	Drafts bool `help:"Take half-finished connections, too: they are saved as drafts, which cannot be started before their problems are settled."`
}

// connectionsPlan is lockstep plan.
type connectionsPlan struct {
	aboutFiles
	withDrafts
	Out string `placeholder:"FILE" help:"Keep the plan in a file, for lockstep apply --plan: it then applies just this, or refuses."`
}

// kept is one file's part of a plan that was kept.
type kept struct {
	File       string `json:"file"`
	Digest     string `json:"digest"` // of the file's text
	Action     string `json:"action"`
	Connection string `json:"connection,omitempty"`
	ETag       string `json:"etag,omitempty"`
}

// Run says what apply would change.
func (c *connectionsPlan) Run(ctx context.Context, w *world) error {
	plans, files, err := c.plans(ctx, w, func(s *screen, f connectionFile, p filePlan) { p.print(s, f) })
	if err != nil {
		return err
	}
	if err := refuseInvalid(plans, c.Drafts); err != nil {
		return err
	}
	if c.Out != "" {
		list := make([]kept, len(plans))
		for i, p := range plans {
			list[i] = kept{files[i].path, files[i].digest(), p.Action, p.Connection, p.ETag}
		}
		text, err := json.MarshalIndent(list, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Clean(c.Out), append(text, '\n'), 0o600); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(plans, func(p filePlan) bool { return p.Action != "none" }) {
		return errChanges
	}
	return nil
}

// connectionsApply is lockstep apply.
type connectionsApply struct {
	aboutFiles
	withDrafts
	Plan string `placeholder:"FILE" help:"Apply a plan that lockstep plan --out kept, instead of files: refused when a file or a connection is another by now."`
}

// Run makes connections like their files. All files are looked at before the
// first is applied; each is applied on the version that was looked at.
func (c *connectionsApply) Run(ctx context.Context, w *world) error {
	var list []kept
	if c.Plan != "" {
		if len(c.Files) > 0 {
			return fault.New("client: apply", fault.Invalid, "invalid_config",
				"--plan names its files itself: leave the others out")
		}
		text, err := os.ReadFile(filepath.Clean(c.Plan))
		if err == nil {
			err = json.Unmarshal(text, &list)
		}
		if err != nil {
			return fault.New("client: apply", fault.Invalid, "invalid_config",
				c.Plan+": this is no plan; make one with lockstep plan --out")
		}
		for _, k := range list {
			c.Files = append(c.Files, k.File)
		}
	}
	plans, files, err := c.plans(ctx, w, func(s *screen, f connectionFile, p filePlan) { p.print(s, f) })
	if err != nil {
		return err
	}
	if err := refuseInvalid(plans, c.Drafts); err != nil {
		return err
	}
	for i, k := range list {
		if k.Digest != files[i].digest() || k.Action != plans[i].Action || k.Connection != plans[i].Connection ||
			k.ETag != plans[i].ETag {
			return fault.New("client: apply", fault.Conflict, "stale_version",
				k.File+": the file or its connection was changed since the plan was made: nothing was applied; plan again")
		}
	}
	server, err := c.caller(w)
	if err != nil {
		return err
	}
	changed := false
	for i, p := range plans {
		if p.Action == "none" {
			continue
		}
		if err := server.apply(ctx, newScreen(w), files[i], p); err != nil {
			return fmt.Errorf("%s: %w", files[i].path, err)
		}
		changed = true
	}
	if changed {
		return errChanges
	}
	return nil
}

// apply imports one file onto the version that was looked at.
func (c *caller) apply(ctx context.Context, screen *screen, f connectionFile, p filePlan) error {
	var header []string
	if p.ETag != "" {
		header = []string{"If-Match", p.ETag}
	}
	var done struct{ ID, Status string }
	err := c.call(ctx, http.MethodPost, "/v1/connections/import", yamlMedia, f.text, &done, header...)
	var r *refusal
	if errors.As(err, &r) && (r.Status == http.StatusPreconditionFailed || r.Status == http.StatusPreconditionRequired) {
		return fault.New("client: apply", fault.Conflict, "stale_version",
			f.path+": somebody changed the connection meanwhile, and nothing of theirs was overwritten; plan again")
	}
	if err != nil {
		return err
	}
	if p.Action == "create" {
		screen.say("%s: created %s; it is a %s until POST /v1/connections/%s/start", f.path, done.ID, done.Status, done.ID)
	} else {
		screen.say("%s: changed %s", f.path, done.ID)
	}
	return nil
}
