package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
)

// filed is a program under test with a folder of connection files.
type filed struct {
	companyApps
	dir string
}

// lockstep runs a command about files and demands its exit code.
func (f filed) lockstep(want int, args ...string) string {
	f.t.Helper()
	var out, errs bytes.Buffer
	env := map[string]string{keyVariable: testKey}
	args = append(args, "--server", "http://"+f.addr)
	code := run(f.t.Context(), args, &world{out: &out, err: &errs, env: func(name string) string { return env[name] }})
	if code != want {
		f.t.Errorf("lockstep %s ended with %d, want %d:\n%s%s", args[0], code, want, &out, &errs)
	}
	return out.String() + errs.String()
}

// says demands parts of an output.
func (f filed) says(out string, parts ...string) {
	f.t.Helper()
	for _, part := range parts {
		if !strings.Contains(out, part) {
			f.t.Errorf("the output does not say %q:\n%s", part, out)
		}
	}
}

// write writes a file, with replacements that have to be there.
func (f filed) write(name, text string, replace ...string) string {
	f.t.Helper()
	for i := 0; i+1 < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			f.t.Fatalf("the file has no %q:\n%s", replace[i], text)
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// TestConnectionsAsFiles: export, validate, plan and apply against a running
// program, with the exit codes that scripts rely on; what comes back is the same
// bytes, and nobody's change is overwritten.
func TestConnectionsAsFiles(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		f := filed{companyApps{newServed(t, 0, on), t, titledObjects}, t.TempDir()}
		f.connectPreset("hubspot-salesforce-contacts")
		first := f.lockstep(exitNothing, "export", string(f.conn.ID))
		path := f.write("people.yaml", first)
		f.says(f.lockstep(exitNothing, "validate", path), "people.yaml: valid", "warning")
		f.says(f.lockstep(exitNothing, "plan", path), string(f.conn.ID)+" is like that")
		f.lockstep(exitNothing, "apply", path)
		if again := f.lockstep(exitNothing, "export"); again != first {
			t.Errorf("after a round trip the file is another one:\n%s\nnot\n%s", again, first)
		}

		second := f.write("people.yaml", first, `schedule: "5m"`, `schedule: "10m"`, "conflict: left", "conflict: review")
		plan := f.lockstep(exitChanges, "plan", second)
		f.says(plan, `~ /syncs/0/schedule  "5m" -> "10m"`, `~ /syncs/0/conflict  "left" -> "review"`,
			"touches timing (contacts)", "touches writing (contacts)")
		if now := f.lockstep(exitNothing, "export"); now != first {
			t.Error("a plan changes the connection")
		}
		f.says(f.lockstep(exitChanges, "apply", second), "changed "+string(f.conn.ID))
		f.lockstep(exitNothing, "apply", second)
		text, err := os.ReadFile(filepath.Clean(second))
		if now := f.lockstep(exitNothing, "export"); err != nil || now != string(text) {
			t.Errorf("what was applied comes back otherwise:\n%s", now)
		}
		f.concurrent(first)
		f.created(first)
		f.refused(first)
		f.stop(t)
	})
}

// concurrent: a change that somebody made meanwhile is refused, not overwritten.
func (f filed) concurrent(first string) {
	f.t.Helper()
	path := f.write("people.yaml", first)
	kept := filepath.Join(f.dir, "plan.json")
	f.lockstep(exitChanges, "plan", path, "--out", kept)
	f.describe("theirs")
	f.says(f.lockstep(exitFailed, "apply", "--plan", kept), "changed since the plan was made")
	server, err := remoteServer{"http://" + f.addr}.caller(&world{env: func(string) string { return testKey }})
	if err != nil {
		f.t.Fatal(err)
	}
	file := connectionFile{path, []byte(first)}
	p, err := server.look(f.t.Context(), file)
	if err != nil {
		f.t.Fatal(err)
	}
	f.describe("later")
	if err := server.apply(f.t.Context(), newScreen(&world{out: f.t.Output(), err: f.t.Output()}), file, p); err == nil ||
		!strings.Contains(err.Error(), "stale_version") {
		f.t.Errorf("a change between the look and the write: %v", err)
	}
	f.says(f.lockstep(exitNothing, "export"), "description: later", `schedule: "10m"`)
	f.lockstep(exitChanges, "plan", path, "--out", kept)
	f.says(f.lockstep(exitChanges, "apply", "--plan", kept), `~ /description  "later" -> ""`, "changed")
}

// describe changes the connection as somebody else would.
func (f filed) describe(text string) {
	f.t.Helper()
	_, err := f.api.Do(f.t.Context(), http.MethodPatch, f.path(""), map[string]string{"description": text}, nil,
		"Content-Type", "application/merge-patch+json", "If-Match", "*")
	if err != nil {
		f.t.Fatal(err)
	}
}

// created: a name that the server does not have is made, as a draft, once.
func (f filed) created(first string) {
	f.t.Helper()
	path := f.write("other.yaml", first, "name: ",
		"shared: true # it writes what another connection writes, too\nname: Other ", "shared: false\n", "")
	f.says(f.lockstep(exitChanges, "plan", f.dir), "other.yaml: a connection to create", "people.yaml: "+string(f.conn.ID)+
		" is like that")
	f.says(f.lockstep(exitChanges, "apply", path), "it is a draft until")
	f.lockstep(exitNothing, "apply", f.dir)
	folder := filepath.Join(f.dir, "all")
	f.says(f.lockstep(exitNothing, "export", "--to", folder), "other-", "written")
	f.says(f.lockstep(exitNothing, "export", "--to", folder), "unchanged")
	f.lockstep(exitNothing, "plan", folder)
	f.says(f.lockstep(exitFailed, "export"), "2 connections do not fit into one file")
	if err := os.Remove(path); err != nil {
		f.t.Fatal(err)
	}
}

// refused: what is wrong is told with its place, and nothing is changed.
func (f filed) refused(first string) {
	f.t.Helper()
	bad := f.write("bad.yaml", first, "conflict: left", "conflict: toss", `schedule: "5m"`, "sometimes: true")
	for _, command := range []string{"validate", "plan", "apply"} {
		f.says(f.lockstep(exitFailed, command, bad), "/syncs/0/sometimes", "/syncs/0/conflict")
	}
	worse := f.write("bad.yaml", first, "description: \"\"", "description: new", "default_country: US",
		"default_country: XX")
	f.says(f.lockstep(exitFailed, "apply", f.dir), "/default_country", "1 of 2 files have problems: nothing was changed")
	f.says(f.lockstep(exitFailed, "plan", f.write("broken.yaml", "name: [")), "malformed_yaml")
	f.says(f.lockstep(exitFailed, "plan", worse+".none"), "there is no such file")
	f.lockstep(exitFailed, "plan")
	f.lockstep(exitFailed, "plan", "--nosuch")
	f.says(f.lockstep(exitFailed, "export", "nobody"), `0 connections are called "nobody"`)
	out, code := said(f.t, "plan", worse)
	if code != exitFailed || !strings.Contains(out, keyVariable) {
		f.t.Errorf("without a key: %d %s", code, out)
	}
	var c crm.Connection
	if err := f.api.Call(f.t.Context(), http.MethodGet, f.path(""), nil, &c); err != nil || c.Country != "US" ||
		c.Description != "" {
		f.t.Errorf("something was changed: %+v, %v", c, err)
	}
}

// TestAuditVerify: the trail of a running program is whole, what was printed before
// still holds after more was written, and another past is noticed.
func TestAuditVerify(t *testing.T) {
	t.Parallel()
	storages.Each(t, func(t *testing.T, on storages.Storage) {
		f := filed{companyApps{newServed(t, 0, on), t, titledObjects}, t.TempDir()}
		f.connectPreset("hubspot-salesforce-contacts")
		first := f.lockstep(exitNothing, "admin", "audit", "verify")
		kept := f.write("audit.txt", first)
		f.describe("another")
		second := f.lockstep(exitNothing, "admin", "audit", "verify", "--known", kept)
		if len(strings.Fields(first)) != 3 || first == second {
			t.Errorf("it says\n%sand then\n%s", first, second)
		}
		hash := strings.Fields(second)[2]
		f.write("audit.txt", second, hash, strings.Repeat("0", len(hash)))
		f.says(f.lockstep(exitFailed, "admin", "audit", "verify", "--known", kept), "another end", "not as it was written")
		f.write("audit.txt", "2026-01-02 7 "+hash+"\n"+second)
		f.says(f.lockstep(exitFailed, "admin", "audit", "verify", "--known", kept), "2026-01-02: gone; there were 7 entries")
		f.write("audit.txt", "2026-01-02 7 me\n")
		f.says(f.lockstep(2, "admin", "audit", "verify", "--known", kept), "no day, number of entries and hash")
		f.stop(t)
	})
}
