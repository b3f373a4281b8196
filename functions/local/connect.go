package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/fault"
)

// connectCommand is lockstep connect.
type connectCommand struct {
	remoteServer
	Preset  string `required:"" placeholder:"PRESET" help:"What is mapped and matched: one of GET /v1/presets, or two apps, such as hubspot-carddav, that have one only."`
	Left    string `required:"" placeholder:"ACCOUNT" help:"ID or exact name of the account on the left."`
	Right   string `required:"" placeholder:"ACCOUNT" help:"ID or exact name of the account on the right."`
	Name    string `placeholder:"NAME" help:"What the connection is called; without it, what the preset is called."`
	Country string `placeholder:"CODE" help:"Country of numbers and addresses that name none, as US."`
	Start   bool   `help:"Start it at once. Without it a draft is saved, to be looked at and started later."`
}

// presetOf is a preset as far as connect looks at it.
type presetOf struct {
	ID, Name, Left, Right string
	Derived               bool
}

// Run makes a connection of a preset between two accounts of a server. What is wrong
// with it is said; nothing is started that has a problem.
func (c *connectCommand) Run(ctx context.Context, w *world) error {
	server, err := c.caller(w)
	if err != nil {
		return err
	}
	presets, err := listed[presetOf](ctx, server, "/v1/presets")
	if err != nil {
		return err
	}
	preset, err := c.preset(presets)
	if err != nil {
		return err
	}
	accounts, err := listed[named](ctx, server, "/v1/accounts")
	if err != nil {
		return err
	}
	left, err := accountFor("--left", c.Left, preset.Left, preset.Right, accounts)
	if err != nil {
		return err
	}
	if left.App == preset.Right { // its apps may stand in either order
		preset.Left, preset.Right = preset.Right, preset.Left
	}
	right, err := accountFor("--right", c.Right, preset.Right, preset.Right, accounts)
	if err != nil {
		return err
	}
	doc := map[string]any{
		"name": c.Name, "left": map[string]string{"account": left.ID}, "right": map[string]string{"account": right.ID},
	}
	if c.Name == "" {
		doc["name"] = preset.Name
	}
	if c.Country != "" {
		doc["default_country"] = c.Country
	}
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	var made struct {
		ID       string
		Problems []place
	}
	if err := server.call(ctx, http.MethodPost, "/v1/connections?preset="+url.QueryEscape(preset.ID), "application/json",
		body, &made); err != nil {
		return err
	}
	screen := newScreen(w)
	screen.say("%s: a draft between %s and %s", made.ID, left.Name, right.Name)
	for _, p := range made.Problems {
		screen.say("  %s", p)
	}
	if !c.Start {
		screen.say("start it with POST /v1/connections/%s/start, or on the console", made.ID)
		return nil
	}
	var runs struct {
		Runs []struct{ ID, Sync string }
	}
	if err := server.call(ctx, http.MethodPost, "/v1/connections/"+made.ID+"/start", "", nil, &runs); err != nil {
		return err
	}
	for _, r := range runs.Runs {
		screen.say("started %s: run %s", r.Sync, r.ID)
	}
	return nil
}

// preset is the one that was named, by its ID or by its two apps in either order.
func (c *connectCommand) preset(all []presetOf) (presetOf, error) {
	names := make([]string, len(all))
	var apart []presetOf
	for i, p := range all {
		if p.ID == c.Preset {
			return p, nil
		}
		if c.Preset == p.Left+"-"+p.Right || c.Preset == p.Right+"-"+p.Left {
			apart = append(apart, p)
		}
		names[i] = p.ID
	}
	if len(apart) == 1 {
		return apart[0], nil
	}
	said := fmt.Sprintf("--preset: there is no preset %q; there are %s", c.Preset, strings.Join(names, ", "))
	if len(apart) > 1 {
		said = fmt.Sprintf("--preset: there are several presets for %s: name one of %s", c.Preset, idsOf(apart))
	}
	return presetOf{}, fault.New("client: connect", fault.Invalid, "invalid_config", said)
}

func idsOf(presets []presetOf) string {
	ids := make([]string, len(presets))
	for i, p := range presets {
		ids[i] = p.ID
	}
	return strings.Join(ids, ", ")
}

// accountFor is the account that was named, of one of two apps.
func accountFor(flag, want, app, other string, all []named) (named, error) {
	a, err := only(flag, "accounts", want, all)
	if err != nil {
		return a, err
	}
	if a.App != app && a.App != other {
		wanted := app
		if other != app {
			wanted += " or " + other
		}
		return a, fault.New("client: connect", fault.Invalid, "invalid_config",
			fmt.Sprintf("%s: %q is an account of %s, and the preset wants one of %s", flag, want, a.App, wanted))
	}
	return a, nil
}
