package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// appTest is one try of a document.
type appTest struct {
	ctx    context.Context //nolint:containedctx // of the one command
	screen *screen
	conn   connector.Connector
	object string
	wait   time.Duration

	fields []crm.Field
	record crm.RecordID // made by us
	email  string       // the field that it is found by, "" = none
	name   string       // the field that is changed
	typed  crm.Fields
	cursor string // of the listing before it was made; "" = it did not end

	checks, failed, skipped int
}

// run makes the checks in order; what needs an earlier one that failed is left out.
func (t *appTest) run() {
	if !t.check("account", t.account) || !t.check("objects", t.objects) || !t.check("fields", t.describe) {
		return
	}
	t.check("list", t.list)
	if !t.check("create", t.create) {
		return
	}
	defer t.tidy()
	t.check("read back", func() (string, error) { return t.holds(t.typed) })
	t.check("update", func() (string, error) { return t.change(crm.TextValue("Lockstep changed")) })
	if f, ok := t.clearable(); ok {
		t.check("clear", func() (string, error) { t.name = f; return t.change(crm.NullValue()) })
	} else {
		t.skip("clear", "no text field may be blank")
	}
	if t.email != "" {
		t.check("find", t.find)
	} else {
		t.skip("find", "there is no e-mail field that can be written")
	}
	if t.cursor != "" {
		t.check("list changes", t.listChanges)
	} else {
		t.skip("list changes", "the first listing did not come to its end in 20 pages")
	}
}

// check makes one check and prints what it saw.
func (t *appTest) check(name string, f func() (saw string, err error)) bool {
	t.checks++
	saw, err := f()
	if err != nil {
		t.failed++
		detail := message(err)
		if code := fault.CodeOf(err); code != "" {
			detail = code + ": " + detail
		}
		t.screen.say("FAIL  %-13s %s", name, detail)
		return false
	}
	t.screen.say("ok    %-13s %s", name, saw)
	return true
}

func (t *appTest) skip(name, why string) {
	t.skipped++
	t.screen.say("-     %-13s not made: %s", name, why)
}

func (t *appTest) account() (string, error) {
	who, err := t.conn.Test(t.ctx)
	return strings.TrimSpace(who.Name + " " + who.ExternalID), err
}

func (t *appTest) objects() (string, error) {
	objects, err := t.conn.Objects(t.ctx)
	if err == nil && !slices.ContainsFunc(objects, func(o crm.Object) bool { return o.ID == t.object }) {
		return "", wrong("the account has no %s", t.object)
	}
	return fmt.Sprintf("%d record types, %s among them", len(objects), t.object), err
}

// describe reads the fields, and chooses those that the record is made with: all
// that are required, an e-mail address, and a text to change.
func (t *appTest) describe() (string, error) {
	fields, err := t.conn.Fields(t.ctx, t.object)
	if err != nil {
		return "", err
	}
	mark := strings.ToLower(rand.Text())[:10]
	t.fields, t.typed = fields, crm.Fields{}
	for _, f := range fields {
		switch {
		case f.ReadOnly:
		case f.Type == crm.TypeEmail && t.email == "":
			t.email, t.typed[f.Name] = f.Name, crm.TextValue("lockstep-"+mark+"@example.com")
		case f.Type == crm.TypeText && (f.Required || t.name == ""):
			t.typed[f.Name] = crm.TextValue("Lockstep " + mark)
			if t.name == "" {
				t.name = f.Name
			}
		case f.Required:
			return "", wrong("%s is required and is no text: try this app with the suite of its own", f.Name)
		}
	}
	if t.name == "" {
		return "", wrong("%s has no text field that can be written", t.object)
	}
	return fmt.Sprintf("%d fields", len(fields)), nil
}

// clearable is a text field of the record that may be blank.
func (t *appTest) clearable() (string, bool) {
	for _, f := range t.fields {
		if _, ours := t.typed[f.Name]; f.Type == crm.TypeText && !f.ReadOnly && !f.Required &&
			(ours || f.Name == t.name) {
			return f.Name, true
		}
	}
	return "", false
}

// names are the fields that are looked at.
func (t *appTest) names() []string { return slices.Sorted(maps.Keys(t.typed)) }

// list reads the records that are there, 20 pages at most.
func (t *appTest) list() (string, error) {
	n, req := 0, connector.ChangesRequest{Object: t.object, Fields: t.names()}
	for page := 1; page <= 20; page++ {
		got, err := t.conn.Changes(t.ctx, req)
		if err != nil {
			return "", err
		}
		n += len(got.Records)
		if req.Position = got.Next; got.Next == "" {
			t.cursor = got.Cursor
			return fmt.Sprintf("%d records on %d pages, all of them", n, page), nil
		}
	}
	return fmt.Sprintf("%d records on 20 pages, and more", n), nil
}

func (t *appTest) create() (string, error) {
	got, err := t.write(connector.Write{Op: connector.Create, Fields: t.typed, Ref: "1"})
	if err != nil {
		return "", err
	}
	if t.record = got.ID; t.record == "" {
		return "", wrong("the app answered without the new record's ID")
	}
	return "record " + string(t.record), nil
}

// write makes one write.
func (t *appTest) write(w connector.Write) (connector.Written, error) {
	got, err := t.conn.BatchWrite(t.ctx, t.object, []connector.Write{w})
	if err != nil {
		return connector.Written{}, err
	}
	if len(got) != 1 {
		return connector.Written{}, wrong("%d answers to one write", len(got))
	}
	return got[0], got[0].Err
}

// holds reads the record and compares what it was given.
func (t *appTest) holds(want crm.Fields) (string, error) {
	got, err := t.conn.BatchRead(t.ctx, t.object, []crm.RecordID{t.record}, t.names())
	switch {
	case err != nil:
		return "", err
	case len(got) != 1:
		return "", wrong("%d answers for one record", len(got))
	case got[0].Err != nil:
		return "", got[0].Err
	}
	for _, f := range slices.Sorted(maps.Keys(want)) {
		if is := got[0].Record.Get(f); is.Text() != want[f].Text() {
			return "", wrong("%s was written as %q and is %q", f, want[f].Text(), is.Text())
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(want)), ", ") + " as written", nil
}

func (t *appTest) change(to crm.Value) (string, error) {
	w := connector.Write{Op: connector.Update, ID: t.record, Fields: crm.Fields{t.name: to}, Ref: "1"}
	if _, err := t.write(w); err != nil {
		return "", err
	}
	saw, err := t.holds(crm.Fields{t.name: to})
	if err == nil && to.Blank() {
		saw = t.name + " is blank"
	}
	return saw, err
}

// find looks the record up by its address, as soon as the app's index has it.
func (t *appTest) find() (string, error) {
	i := slices.IndexFunc(t.fields, func(f crm.Field) bool { return f.Name == t.email })
	return t.until("found by "+t.email, func() (bool, error) {
		got, err := t.conn.BatchFind(t.ctx, t.object, t.fields[i], []string{t.typed[t.email].Text()}, t.names())
		return err == nil && len(got) == 1 && slices.ContainsFunc(got[0], t.ours), err
	})
}

func (t *appTest) listChanges() (string, error) {
	return t.until("listed as changed", func() (bool, error) {
		req := connector.ChangesRequest{Object: t.object, Fields: t.names(), Cursor: t.cursor}
		for {
			got, err := t.conn.Changes(t.ctx, req)
			if err != nil || slices.ContainsFunc(got.Records, t.ours) {
				return err == nil, err
			}
			if req.Position = got.Next; got.Next == "" {
				return false, nil
			}
		}
	})
}

func (t *appTest) ours(r crm.Record) bool { return r.ID == t.record }

// until tries until something shows, a few seconds apart.
func (t *appTest) until(what string, f func() (bool, error)) (string, error) {
	for began := time.Now(); ; {
		ok, err := f()
		waited := time.Since(began).Round(time.Second)
		switch {
		case err != nil:
			return "", err
		case ok:
			return fmt.Sprintf("%s after %s", what, waited), nil
		case waited >= t.wait || t.ctx.Err() != nil:
			return "", wrong("not %s within %s", what, t.wait)
		}
		pause(t.ctx, min(3*time.Second, t.wait))
	}
}

// tidy deletes the record, whatever became of the checks.
func (t *appTest) tidy() {
	if !t.conn.App().Can(crm.AbilityArchive) {
		t.skip("delete", "the app cannot; the record "+string(t.record)+" stays")
		return
	}
	t.ctx = context.WithoutCancel(t.ctx)
	t.check("delete", func() (string, error) {
		if _, err := t.write(connector.Write{Op: connector.Archive, ID: t.record, Ref: "1"}); err != nil {
			return "", fmt.Errorf("the record %s stays: %w", t.record, err)
		}
		got, err := t.conn.BatchRead(t.ctx, t.object, []crm.RecordID{t.record}, t.names())
		if err == nil && len(got) == 1 &&
			(fault.Is(got[0].Err, fault.NotFound) || got[0].Record != nil && got[0].Record.Deleted) {
			return "record " + string(t.record) + " is gone", nil
		}
		if err == nil {
			err = wrong("the record %s is still read", t.record)
		}
		return "", err
	})
}

func wrong(format string, args ...any) error {
	return fault.New("app: test", fault.Other, "", fmt.Sprintf(format, args...))
}
