package api

import (
	"context"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// refusing is a connector whose app refuses every row that holds a title.
type refusing struct {
	connector.Connector
	say   *fault.Error // nil = it does not
	times int          // how many rows; 0 = all
	asked *int
}

// BatchWrite implements connector.Connector.
func (r *refusing) BatchWrite(ctx context.Context, object string, ws []connector.Write) ([]connector.Written, error) {
	out := make([]connector.Written, len(ws))
	var pass []connector.Write
	var at []int
	for i, w := range ws {
		if _, title := w.Fields["Title"]; title && r.say != nil {
			*r.asked++
			if r.times == 0 || *r.asked <= r.times {
				out[i].Err = r.say
				continue
			}
		}
		pass, at = append(pass, w), append(at, i)
	}
	if len(pass) == 0 {
		return out, nil
	}
	got, err := r.Connector.BatchWrite(ctx, object, pass)
	for i := range got {
		out[at[i]] = got[i]
	}
	return out, err
}

// TestCodesDoWhatTheySay holds what the dictionary says of each code that an app
// may give for a row to what becomes of the record: a field is left out and the
// rest arrives, the record is left out and tried once, or it waits and arrives.
func TestCodesDoWhatTheySay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind fault.Kind
		code string
		name bool // the app names the field
		want Effect
	}{
		"value":              {fault.Invalid, "invalid_value", true, EffectField},
		"value, unnamed":     {fault.Invalid, "invalid_value", false, EffectRecord},
		"rule":               {fault.Invalid, "rejected_by_rule", true, EffectField},
		"rule, unnamed":      {fault.Invalid, "rejected_by_rule", false, EffectRecord},
		"rejected":           {fault.Invalid, "rejected", true, EffectField},
		"rejected, unnamed":  {fault.Invalid, "rejected", false, EffectRecord},
		"option":             {fault.Invalid, "option_not_allowed", true, EffectField},
		"too long":           {fault.Invalid, "value_too_long", true, EffectField},
		"read-only":          {fault.Invalid, "read_only_field", true, EffectField},
		"unknown field":      {fault.Invalid, "unknown_field", true, EffectField},
		"taken":              {fault.Conflict, "already_exists", true, EffectField},
		"required elsewhere": {fault.Invalid, "required_field_missing", false, EffectRecord},
		"no room":            {fault.Invalid, "storage_full", false, EffectRecord},
		"duplicate rule":     {fault.Conflict, "duplicate_rule", false, EffectRecord},
		"locked":             {fault.Conflict, "record_locked", false, EffectWaits},
		"rate":               {fault.Throttled, "rate_limited", false, EffectWaits},
		"batch mate":         {fault.Unavailable, "batch_refused", false, EffectWaits},
		"moving":             {fault.Unavailable, "account_moving", false, EffectWaits},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entry := meanings[c.code]
			if entry.Effect != c.want && entry.Also != c.want {
				t.Errorf("the dictionary says %q or %q of %s, and it is %q", entry.Effect, entry.Also, c.code, c.want)
			}
			asked := 0
			app := &refusing{asked: &asked}
			b, err := testbed.New(t.Context(),
				testbed.Options{People: 20, Wrap: func(id crm.AccountID, inner connector.Connector) connector.Connector {
					if id != testbed.RightAccount {
						return inner
					}
					app.Connector = inner
					return app
				}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			effect := effectOn(t, b, app, &fault.Error{
				Op: "test", Kind: c.kind, Code: c.code, Field: map[bool]string{true: "Title"}[c.name],
			}, c.want == EffectWaits)
			if effect != c.want {
				t.Errorf("the effect is %q, want %q", effect, c.want)
			}
		})
	}
}

// effectOn edits one linked person's title and city while the app refuses rows
// with a title, and tells what came of it.
func effectOn(t *testing.T, b *testbed.Bed, app *refusing, say *fault.Error, passing bool) Effect {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pull := func() {
		t.Helper()
		b.Move(5 * time.Minute)
		must(b.Pull(ctx))
	}
	_, err := b.Engine.StartConnection(ctx, testbed.Workspace, testbed.Connection)
	must(err)
	must(b.Drain(ctx))
	linked, _, err := b.Engine.ListRecords(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts,
		engine.RecordFilter{State: crm.StateInSync}, 10, "")
	must(err)
	hub, force := string(linked[0].ID), string(linked[0].Partner)
	app.say = say
	if passing {
		app.times = 2
	}
	_, err = b.Hub.Core().UpdateRecord("contacts", hub, map[string]string{"jobtitle": "Cooper", "city": "Ghent"})
	must(err)
	pull()
	tried := *app.asked
	for range 2 {
		pull()
	}
	v, err := b.Engine.GetRecord(ctx, testbed.Workspace, testbed.Connection, testbed.Contacts, crm.Right,
		crm.RecordID(force))
	must(err)
	title, city := v.Values.Right["Title"].Text() == "Cooper", v.Values.Right["MailingCity"].Text() == "Ghent"
	if title && city {
		return EffectWaits
	}
	if *app.asked != tried {
		t.Errorf("a permanent refusal was tried %d times", *app.asked)
	}
	entries, _, err := b.Engine.ListLog(ctx, testbed.Workspace, engine.LogFilter{
		Connection: testbed.Connection, Outcomes: []crm.Outcome{crm.Failed}, Code: say.Code,
	}, 10, "")
	must(err)
	if len(entries) == 0 {
		t.Errorf("no failed entry says %s", say.Code)
	}
	switch {
	case city:
		return EffectField
	case title:
		return ""
	}
	return EffectRecord
}
