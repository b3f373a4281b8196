package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/config"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/apiclient"
)

// story shows what one preset does, between the two fakes of its apps: somebody is in one
// app, somebody in the other and somebody in both; a first sync, an edit on either side,
// and what the log says of it all.
type story struct {
	*demo

	apps   [2]string
	preset string
}

// storyTime bounds each step of a story.
const storyTime = time.Minute

// storyOf is the story of a preset, whose name begins with the apps that it is for.
func storyOf(d *demo, preset string) (*story, error) {
	parts := strings.SplitN(preset, "-", 3)
	for _, app := range parts[:min(2, len(parts))] {
		if kindOf(crm.AppID(app)).Start == nil {
			parts = nil
			break
		}
	}
	if len(parts) < 3 {
		return nil, fault.New("demo: settings", fault.Invalid, "invalid_config",
			fmt.Sprintf("--preset: there is no preset %q; GET /v1/presets of any server lists them", preset))
	}
	return &story{demo: d, apps: [2]string{parts[0], parts[1]}, preset: preset}, nil
}

// tell starts the program on the fakes and goes through the story.
func (s *story) tell(ctx context.Context, conf config.Checked) error {
	if err := s.startFakes(ctx, s.apps, 0); err != nil {
		return err
	}
	for _, f := range s.fakes {
		conf.AllowHosts = append(conf.AllowHosts, f.host)
	}
	p, err := s.start(ctx, conf)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{s.joined, s.hear, s.peopled, s.synced, s.edited, s.shown} {
		if err = step(ctx); err != nil {
			break
		}
	}
	return errors.Join(err, p.stop())
}

// joined makes the accounts and the connection of the preset.
func (s *story) joined(ctx context.Context) error {
	presets, err := apiclient.List[presetOf](ctx, s.api, "/v1/presets")
	if err != nil {
		return err
	}
	preset, err := (&connectCommand{Preset: s.preset}).preset(presets)
	if err != nil {
		return err
	}
	accounts, err := s.accounts(ctx, s.apps)
	if err != nil {
		return err
	}
	_, err = s.api.Do(ctx, http.MethodPost, "/v1/connections?preset="+s.preset, map[string]any{
		"name": preset.Name, "default_country": "US",
		"left": map[string]any{"account": accounts[0]}, "right": map[string]any{"account": accounts[1]},
	}, &s.conn)
	if err != nil {
		return err
	}
	if len(s.conn.Syncs) != 1 {
		return fmt.Errorf("the preset has %d syncs, and a story is of one", len(s.conn.Syncs))
	}
	one := &s.conn.Syncs[0]
	one.Schedule = "manual" // the story says when
	if _, err = s.api.Do(ctx, http.MethodPatch, s.path(""), map[string]any{"syncs": s.conn.Syncs}, &s.conn,
		"If-Match", "*"); err != nil {
		return err
	}
	s.sync = s.conn.Syncs[0]
	s.screen.say("%s (preset %s)", preset.Name, s.preset)
	s.screen.say("  matched by %s", matchedBy(s.sync.Match.ToRight))
	for _, m := range s.sync.Mappings {
		arrow := map[crm.Direction]string{crm.DirectionToRight: "->", crm.DirectionToLeft: "<-"}[m.Direction]
		s.screen.say("  %-45s %-3s %s", strings.Join(m.Left, " + "), cmp.Or(arrow, "<->"), strings.Join(m.Right, " + "))
	}
	return nil
}

// matchedBy is a ladder of match steps in words.
func matchedBy(steps []crm.MatchStep) string {
	var out []string
	for _, step := range steps {
		for _, p := range step.Pairs {
			out = append(out, p[0]+" = "+p[1])
		}
	}
	return strings.Join(slices.Compact(out), ", then ")
}

// cast are those whom a story is about, and the apps that they are in at first.
var cast = []struct {
	who string
	in  [2]bool
}{
	{"Ann", [2]bool{true, false}}, {"Bea", [2]bool{false, true}}, {"Cay", [2]bool{true, true}},
}

// played is what a mapping's fields hold of somebody, by the meaning that its ID names;
// again is what they hold once they were edited. What is not here stays blank.
func played(m *crm.Mapping, n int, again bool) (value string, known bool) {
	who, word := cast[n].who, map[bool]string{false: "Roe", true: "Moss"}[again]
	host := strings.ToLower(who) + ".example.com"
	switch m.ID {
	case "email":
		return strings.ToLower(who) + "@example.com", true
	case "phone":
		return fmt.Sprintf("20255501%02d", n+10), true
	case "first_name":
		return who, true
	case "last_name":
		return word, true
	case "name":
		return who + " " + word, true
	case "website":
		return host, true
	case "company":
		return word + " Inc", true
	case "title", "summary", "description":
		return map[bool]string{false: "Pilot", true: "Captain"}[again], true
	case "city":
		return map[bool]string{false: "Ghent", true: "Bruges"}[again], true
	case "tags":
		return "vip", true
	}
	return "", false
}

// typed are a side's fields of one mapping with a value of it.
func typed(m *crm.Mapping, side crm.Side, value string) map[string]string {
	names := m.Names(side)
	if len(names) == 2 { // a first and a last name
		first, last, _ := strings.Cut(value, " ")
		return map[string]string{names[0]: first, names[1]: last}
	}
	return map[string]string{names[0]: value}
}

// peopled makes the cast in the apps, as users of them.
func (s *story) peopled(ctx context.Context) error {
	for n, one := range cast {
		for i, side := range crm.Sides {
			if !one.in[i] {
				continue
			}
			fields := map[string]string{}
			for k := range s.sync.Mappings {
				if v, ok := played(&s.sync.Mappings[k], n, false); ok {
					maps.Copy(fields, typed(&s.sync.Mappings[k], side, v))
				}
			}
			if _, err := s.fakes[i].fake.Core().CreateRecord(s.sync.Object(side), fields); err != nil {
				return fmt.Errorf("%s in %s: %w", one.who, s.fakes[i].kind.name, err)
			}
		}
	}
	s.screen.say("\nBefore: Ann is in %s alone, Bea in %s, and Cay in both.", s.fakes[0].kind.name, s.fakes[1].kind.name)
	return s.heard(ctx)
}

// heard waits until the fakes have told what they tell by themselves.
func (s *story) heard(ctx context.Context) error {
	return until(ctx, storyTime, "deliveries", func(context.Context) (bool, error) {
		return len(s.fakes[0].fake.Core().Outbox())+len(s.fakes[1].fake.Core().Outbox()) == 0, nil
	})
}

// synced starts the connection.
func (s *story) synced(ctx context.Context) error {
	if err := s.api.Call(ctx, http.MethodPost, s.path("/start"), nil, nil); err != nil {
		return err
	}
	if _, err := s.quiet(ctx); err != nil {
		return err
	}
	return s.table(ctx, "After the first sync")
}

// edited has a user of either app change somebody: Ann here, and Bea there.
func (s *story) edited(ctx context.Context) error {
	m := s.telling()
	if m == nil {
		return errors.New("no mapping of the preset goes both ways and can be told of")
	}
	// An app that tells times in seconds could not tell the edits from our writes.
	pause(ctx, 2*time.Second)
	for i, side := range crm.Sides {
		value, _ := played(m, i, true)
		found, err := s.somebody(ctx, i, i)
		if err != nil {
			return err
		}
		_, err = s.fakes[i].fake.Core().UpdateRecord(s.sync.Object(side), string(found), typed(m, side, value))
		if err != nil {
			return fmt.Errorf("%s in %s: %w", cast[i].who, s.fakes[i].kind.name, err)
		}
		s.screen.say("\nSomebody in %s makes the %s of %s %q.", s.fakes[i].kind.name, m.ID, cast[i].who, value)
	}
	if err := s.heard(ctx); err != nil {
		return err
	}
	var run engine.Run
	if err := s.api.Call(ctx, http.MethodPost, s.syncPath("/pull"), nil, &run); err != nil {
		return err
	}
	return until(ctx, storyTime, "the pull", func(ctx context.Context) (bool, error) {
		err := s.api.Call(ctx, http.MethodGet, "/v1/runs/"+string(run.ID), nil, &run)
		return !isOpen(run), err
	})
}

// telling is the mapping whose edit is shown.
func (s *story) telling() *crm.Mapping {
	for _, id := range []crm.MappingID{"title", "city", "last_name", "name", "summary", "description"} {
		for i := range s.sync.Mappings {
			if m := &s.sync.Mappings[i]; m.ID == id && m.Direction == crm.DirectionBoth {
				return m
			}
		}
	}
	return nil
}

// somebody is the record of one of the cast in an app.
func (s *story) somebody(ctx context.Context, side, n int) (crm.RecordID, error) {
	all, err := dump(ctx, s.fakes[side].url, s.sync.Object(crm.Sides[side]))
	if err != nil {
		return "", err
	}
	for id, fields := range all {
		for i := range s.sync.Mappings {
			m := &s.sync.Mappings[i]
			held := joinFields(fields, m.Names(crm.Sides[side]))
			if (m.ID == "email" || m.ID == "website") && strings.Contains(strings.ToLower(held), strings.ToLower(cast[n].who)) {
				return id, nil
			}
		}
	}
	return "", fmt.Errorf("%s is not in %s", cast[n].who, s.fakes[side].kind.name)
}

// shown ends the story: the records, and why each became what it is.
func (s *story) shown(ctx context.Context) error {
	if _, err := s.quiet(ctx); err != nil {
		return err
	}
	if err := s.table(ctx, "After the edits"); err != nil {
		return err
	}
	s.screen.say("\nWhat the log says:")
	var failed error
	err := apiclient.Each(ctx, s.api, "/v1/log?connection="+string(s.conn.ID), func(e engine.Entry) error {
		if e.Problem() {
			failed = fmt.Errorf("%s of %s %s: %s", e.Outcome, e.Side, e.Record, cmp.Or(e.Message, e.Code))
		}
		var why []string
		for _, d := range e.Diffs {
			why = append(why, fmt.Sprintf("%s %s -> %s (%s)", d.Field, quoted(d.Before), quoted(d.After), d.Rule))
		}
		s.screen.say("  %-9s %s %s = %s %s", e.Outcome, s.fakes[e.Side.Index()].kind.name, e.Record,
			s.fakes[e.Side.Other().Index()].kind.name, e.Partner)
		if told := cmp.Or(strings.Join(why, ", "), e.Message, e.Code); told != "" {
			s.screen.say("            %s", told)
		}
		return nil
	})
	return errors.Join(err, failed)
}

// table prints everybody side by side, and holds the one against the other.
func (s *story) table(ctx context.Context, title string) error {
	var now [2]people
	for i, side := range crm.Sides {
		var err error
		if now[i], err = dump(ctx, s.fakes[i].url, s.sync.Object(side)); err != nil {
			return err
		}
	}
	pairs, err := s.linked(ctx)
	if err != nil {
		return err
	}
	rows := [][2]string{}
	for l, r := range pairs {
		rows = append(rows, [2]string{s.row(crm.Left, now[0][l]), s.row(crm.Right, now[1][r])})
		if differ := unlike(s.sync.Mappings, s.conn.Country, now[0][l], now[1][r]); len(differ) > 0 {
			return fmt.Errorf("%s and %s differ in %v", l, r, differ)
		}
	}
	slices.SortFunc(rows, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	s.screen.say("\n%s:", title)
	for _, row := range append([][2]string{{s.fakes[0].kind.name, s.fakes[1].kind.name}}, rows...) {
		s.screen.say("  %-66s %s", row[0], row[1])
	}
	if len(pairs) != len(cast) || len(now[0]) != len(cast) || len(now[1]) != len(cast) {
		return fmt.Errorf("%d pairs of %d and %d records, want %d of each", len(pairs), len(now[0]), len(now[1]), len(cast))
	}
	return nil
}

// row is a record as far as a story tells of it.
func (s *story) row(side crm.Side, fields map[string]string) string {
	var out []string
	for i := range s.sync.Mappings {
		m := &s.sync.Mappings[i]
		if _, known := played(m, 0, false); known {
			out = append(out, strings.ReplaceAll(joinFields(fields, m.Names(side)), "\x00", " "))
		}
	}
	return strings.Join(slices.DeleteFunc(out, func(v string) bool { return v == "" }), " · ")
}
