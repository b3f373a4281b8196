package engine

import (
	"slices"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
)

// TestS16_WhatWasConfirmedIsCountedOut: a confirmation is for as many deletions
// as were shown; those that are noticed beside them count as ever, with what the
// hour brought before.
func TestS16_WhatWasConfirmedIsCountedOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		confirmed, pending, applied, links int64
		want                               bool
	}{
		"few":                                    {pending: 50, links: 200},
		"one too many":                           {pending: 51, links: 200, want: true},
		"one too many with what came before":     {pending: 20, applied: 31, links: 200, want: true},
		"a share of very many":                   {pending: 99, applied: 1, links: 1000},
		"more than that share":                   {pending: 101, applied: 0, links: 1000, want: true},
		"what was confirmed":                     {confirmed: 60, pending: 60, links: 200},
		"what is left of it":                     {confirmed: 60, pending: 7, applied: 60, links: 200},
		"with as many others as may be":          {confirmed: 60, pending: 110, links: 200},
		"with one more":                          {confirmed: 60, pending: 111, links: 200, want: true},
		"with others, and what came before":      {confirmed: 60, pending: 70, applied: 41, links: 200, want: true},
		"one, where the hour is full already":    {confirmed: 60, pending: 61, applied: 50, links: 200, want: true},
		"confirmed, where the hour is full":      {confirmed: 60, pending: 60, applied: 500, links: 200},
		"others alone, a confirmation used up":   {confirmed: 0, pending: 51, links: 200, want: true},
		"everybody on a side, and not confirmed": {pending: 20, links: 20, want: true},
		"everybody on a side, confirmed":         {confirmed: 20, pending: 20, links: 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newStillBed(t, nil)
			b.must(b.mem.Transact(t.Context(), addWrite(nil, b.sc.counts(), map[string]int64{
				"left:in_sync": c.links, "right:in_sync": c.links,
			}, time.Time{})))
			h := haltItem{Confirmed: c.confirmed > 0, Left: c.confirmed, Applied: c.applied}
			side, links, halts, err := b.massDeletion(t.Context(), b.sc, &h, goneCount{on: crm.PerSide[int64]{Right: c.pending}})
			if err != nil || halts != c.want || side != crm.Right || links != c.links {
				t.Errorf("halts %t on the %s of %d, %v; want %t", halts, side, links, err, c.want)
			}
		})
	}
}

// TestS16_WhatAListingCallsGoneIsMissing: a full listing may name records that
// are gone, or were merged away; they are not among those that it saw.
func TestS16_WhatAListingCallsGoneIsMissing(t *testing.T) {
	t.Parallel()
	b := newStillBed(t, nil)
	s := b.session(0)
	s.set = recovering(t).set
	for name, salt := range map[string]string{"with keys": "salt", "of the release before": ""} {
		r := b.newRun(b.sc, b.conn, RunResync)
		r.Full, r.Salt = true, salt
		for page, records := range [][]crm.Record{
			{{ID: "living"}, {ID: "deleted", Deleted: true}},
			{{ID: "merged", Deleted: true, MergedInto: "living"}, {ID: "last"}},
		} {
			r.Seq = int64(page)
			again, err := s.saveSeen(t.Context(), r, crm.Right, records)
			if err != nil || len(again) > 0 {
				t.Fatalf("%s: %d pages again, %v", name, len(again), err)
			}
		}
		got, err := s.loadSeen(t.Context(), r, crm.Right)
		b.must(err)
		for id, want := range map[crm.RecordID]bool{"living": true, "last": true, "deleted": false, "merged": false} {
			if slices.Contains(got, hash64(id)) != want {
				t.Errorf("%s: %s counts as seen: %t, want %t", name, id, !want, want)
			}
		}
		if !slices.IsSorted(got) || len(got) != 2 {
			t.Errorf("%s: seen are %v", name, got)
		}
	}
}
