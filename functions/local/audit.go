package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// auditCommand is about the trail of who changed which setting.
type auditCommand struct {
	Verify auditVerify `cmd:"" help:"Check that nothing in the audit trail of a server was changed, removed or put in. Prints a line a day, with its hash; kept elsewhere, they show later that the past is as it was. Exit code 0: it is, 1: it is not."`
}

type auditVerify struct {
	remoteServer
	Known string `placeholder:"FILE" help:"What this command printed before: those days must be as they were."`
}

// Run checks the trail, day by day.
func (c *auditVerify) Run(ctx context.Context, w *world) error {
	known, err := c.known()
	if err != nil {
		return err
	}
	server, err := c.caller(w)
	if err != nil {
		return err
	}
	days, err := listed[access.AuditDay](ctx, server, "/v1/audit/days")
	if err != nil {
		return err
	}
	screen, wrong := newScreen(w), 0
	for _, d := range days {
		was, before := known[d.Day]
		delete(known, d.Day)
		if before && (was.entries > d.Entries || was.entries == d.Entries && was.hash != d.Hash) {
			d.Problems = append(d.Problems, fmt.Sprintf("there were %d entries with another end: %s", was.entries, was.hash))
		}
		screen.say("%s %d %s", d.Day, d.Entries, d.Hash)
		for _, p := range d.Problems {
			screen.say("  %s", p)
		}
		wrong += len(d.Problems)
	}
	for _, day := range slices.Sorted(maps.Keys(known)) {
		screen.say("%s: gone; there were %d entries", day, known[day].entries)
		wrong++
	}
	if wrong > 0 {
		return fault.New("admin: audit verify", fault.Conflict, "audit_broken",
			fmt.Sprintf("the audit trail is not as it was written: %d findings", wrong))
	}
	return nil
}

// knownDay is a day as it was printed before.
type knownDay struct {
	entries int64
	hash    string
}

// known reads what was printed before.
func (c *auditVerify) known() (map[string]knownDay, error) {
	out := map[string]knownDay{}
	if c.Known == "" {
		return out, nil
	}
	f, err := os.Open(c.Known)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var day string
		var was knownDay
		if n, err := fmt.Sscan(lines.Text(), &day, &was.entries, &was.hash); n != 3 || err != nil || len(was.hash) != 64 {
			if strings.TrimSpace(lines.Text()) == "" {
				continue
			}
			return nil, fault.New("admin: audit verify", fault.Invalid, "invalid_config",
				"--known: a line is no day, number of entries and hash: "+lines.Text())
		}
		out[day] = was
	}
	return out, lines.Err()
}
