package salesforcefake

import (
	"errors"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector/fakekit"
)

type pageRowsIn struct {
	Rows int `json:"rows" doc:"rows per page at most, 1 to 2000"`
}

type lateIn struct {
	By fakekit.Duration `json:"by" doc:"how far back user edits are stamped"`
}

type ruleIn struct {
	Rule string `json:"rule" doc:"off, alert (the header allowSave passes it) or block"`
}

type logIn struct {
	Keep fakekit.Duration `json:"keep" doc:"how long deletions are remembered, up to 360h"`
}

type sessionIn struct {
	Life fakekit.Duration `json:"life" doc:"how long sessions live that begin from now on; up to 24h"`
}

type purgeOut struct {
	Purged int `json:"purged" doc:"records that left the recycle bin"`
}

var done = fakekit.Done{OK: true}

// knob makes one that runs with the core's lock held.
func knob[In, Out any](f *org, method, path, summary string, h func(in In) (Out, error)) fakekit.Knob {
	return fakekit.NewKnob(method, path, summary, func(_ *http.Request, in In) (Out, error) {
		f.core.Lock()
		defer f.core.Unlock()
		return h(in)
	})
}

// Knobs implements fakekit.Knobber.
func (f *org) Knobs() []fakekit.Knob {
	return []fakekit.Knob{
		knob(f, "PUT", "/_fake/page_rows", "Make query pages shorter than asked for.",
			func(in pageRowsIn) (fakekit.Done, error) {
				if in.Rows < 1 || in.Rows > maxRows {
					return done, errors.New("rows must be between 1 and 2000")
				}
				f.pageRows = in.Rows
				return done, nil
			}),
		knob(f, "PUT", "/_fake/late_commit", "Stamp user edits in the past, as transactions do that commit late.",
			func(in lateIn) (fakekit.Done, error) {
				if in.By < 0 {
					return done, errors.New("by cannot be negative")
				}
				f.late = time.Duration(in.By)
				return done, nil
			}),
		knob(f, "PUT", "/_fake/duplicate_rule", "Refuse API writes that repeat a known e-mail.",
			func(in ruleIn) (fakekit.Done, error) {
				switch in.Rule {
				case "off":
					f.rule = ""
				case "alert", "block":
					f.rule = in.Rule
				default:
					return done, errors.New("rule must be off, alert or block")
				}
				return done, nil
			}),
		knob(f, "PUT", "/_fake/deleted_log", "Set how long deletions are remembered.", func(in logIn) (fakekit.Done, error) {
			if in.Keep <= 0 || time.Duration(in.Keep) > 15*24*time.Hour {
				return done, errors.New("keep must be above 0 and at most 360h")
			}
			f.keepLog = time.Duration(in.Keep)
			return done, nil
		}),
		knob(f, "POST", "/_fake/empty_bin", "Empty the recycle bin.", func(fakekit.None) (purgeOut, error) {
			n := 0
			for _, t := range f.tables {
				n += t.purge()
			}
			return purgeOut{n}, nil
		}),
		fakekit.NewKnob("PATCH", "/_fake/fields/{object}/{name}", "Take a field away as an admin would, or bring it back.",
			func(r *http.Request, in FieldChange) (fakekit.Done, error) {
				return done, f.changeField(r.PathValue("object"), r.PathValue("name"), in)
			}),
		fakekit.UserKnob(f.changeUser),
		fakekit.NewKnob("PUT", "/_fake/rights", "Take rights to write from the API's user; an empty body gives them back.",
			func(_ *http.Request, in Rights) (fakekit.Done, error) {
				return done, f.takeRights(in)
			}),
		knob(f, "PUT", "/_fake/session", "Set how long sessions live.", func(in sessionIn) (fakekit.Done, error) {
			if in.Life <= 0 || time.Duration(in.Life) > sessionLife {
				return done, errors.New("life must be above 0 and at most 24h")
			}
			f.session = time.Duration(in.Life)
			return done, nil
		}),
	}
}
