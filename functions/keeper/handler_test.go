package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lockstep-crm/lockstep/internal/account"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// world is a bed at rest whose workspace keeper finds.
type world struct {
	*testbed.Bed
	h        *handler
	metrics  bytes.Buffer
	said     bytes.Buffer
	accounts map[crm.AccountID]account.Status
	budget   float64 // as the metrics said last
}

func newWorld(t *testing.T) *world {
	t.Helper()
	b, err := testbed.New(t.Context(), testbed.Options{People: 5}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection); err != nil {
		t.Fatal(err)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.SaveWorkspace(t.Context(), b.Store, store.Workspace{ID: testbed.Workspace, Name: "bed"},
		0); err != nil {
		t.Fatal(err)
	}
	w := &world{
		Bed: b, accounts: map[crm.AccountID]account.Status{
			testbed.LeftAccount: account.StatusOK, testbed.RightAccount: account.StatusOK,
		},
	}
	w.h = &handler{
		store: b.Store, engine: b.Engine, now: b.Now, stage: "test", metrics: &w.metrics,
		log: slog.New(slog.NewTextHandler(&w.said, nil)),
		budget: func(_ context.Context, _ crm.WorkspaceID, a account.Account) (float64, error) {
			return map[crm.AccountID]float64{testbed.LeftAccount: 0.1234, testbed.RightAccount: 0.05}[a.ID], nil
		},
		account: func(_ context.Context, _ crm.WorkspaceID, id crm.AccountID) (account.Account, error) {
			status, ok := w.accounts[id]
			if !ok {
				return account.Account{}, fault.New("test", fault.NotFound, "", "")
			}
			return account.Account{ID: id, Status: status}, nil
		},
	}
	return w
}

// look fires the sample event and returns the metrics: overdue, to authorise.
func (w *world) look(t *testing.T) (overdue, unauthorized int) {
	t.Helper()
	event, err := os.ReadFile(filepath.Join("..", "..", "events", "keeper-hour.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.metrics.Reset()
	if _, err := lambda.NewHandler(w.h.Handle).Invoke(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	var m struct {
		SyncsOverdue, AccountsToAuthorize int
		APIBudgetUsed                     float64 `json:"ApiBudgetUsed"`
		Stage                             string
		Meta                              struct {
			Timestamp         int64
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name string }
			}
		} `json:"_aws"`
	}
	if err := json.Unmarshal(w.metrics.Bytes(), &m); err != nil {
		t.Fatalf("%q: %v", w.metrics.String(), err)
	}
	if len(m.Meta.CloudWatchMetrics) != 1 || len(m.Meta.CloudWatchMetrics[0].Metrics) != 3 || m.Stage != "test" ||
		m.Meta.Timestamp != w.Now().UnixMilli() {
		t.Errorf("the line is %s, want three metrics of the stage", w.metrics.String())
	}
	w.budget = m.APIBudgetUsed
	return m.SyncsOverdue, m.AccountsToAuthorize
}

func (w *world) status(t *testing.T, set crm.Status) crm.Status {
	t.Helper()
	c, version, err := store.LoadConnection(t.Context(), w.Store, testbed.Workspace, testbed.Connection)
	if err != nil {
		t.Fatal(err)
	}
	if set != "" {
		c.Status = set
		if _, err := store.SaveConnection(t.Context(), w.Store, testbed.Workspace, c, version); err != nil {
			t.Fatal(err)
		}
	}
	return c.Status
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.Engine.Pull(t.Context(), testbed.Workspace, testbed.Connection, testbed.Contacts); err != nil {
		t.Fatal(err)
	}
	if err := w.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.look(t); w.budget != 12.3 {
		t.Errorf("%v %% of the calls used, want those of the account that used most, 12.3", w.budget)
	}
	w.Move(14 * time.Minute) // the schedule is 5m
	if overdue, _ := w.look(t); overdue != 0 {
		t.Errorf("%d syncs are overdue within three intervals, want none", overdue)
	}
	w.Move(2 * time.Minute)
	if overdue, _ := w.look(t); overdue != 1 || !strings.Contains(w.said.String(), "sync overdue") {
		t.Errorf("%d syncs are overdue after three intervals, want one, and named", overdue)
	}
	w.status(t, crm.StatusPaused)
	if overdue, _ := w.look(t); overdue != 0 {
		t.Errorf("%d syncs of a paused connection are overdue, want none", overdue)
	}
}

// TestResumes has a connection wait although both accounts are fine: whoever
// authorised died before resuming it.
func TestResumes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.status(t, crm.StatusNeedsAuth)
	w.accounts[testbed.RightAccount] = account.StatusNeedsAuth
	if _, n := w.look(t); n != 1 || w.status(t, "") != crm.StatusNeedsAuth {
		t.Errorf("%d accounts to authorise, status %s; want one, and the connection waiting", n, w.status(t, ""))
	}
	w.accounts[testbed.RightAccount] = account.StatusOK
	if _, n := w.look(t); n != 0 || w.status(t, "") != crm.StatusActive {
		t.Errorf("%d accounts to authorise, status %s; want none, and the connection active", n, w.status(t, ""))
	}
}

// TestTroubleOfOne has one connection's trouble be its own, and the loss of
// the store everybody's.
func TestTroubleOfOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.status(t, crm.StatusNeedsAuth)
	delete(w.accounts, testbed.LeftAccount)
	if _, n := w.look(t); n != 0 || !strings.Contains(w.said.String(), "not looked over") {
		t.Errorf("%d accounts to authorise, log %s; want the trouble in the log", n, w.said.String())
	}
	w.h.store = down{w.Store}
	if err := w.h.Handle(t.Context(), nil); err == nil {
		t.Error("a store that is down is no failure")
	}
}

// down is a store that lists nothing.
type down struct{ store.Store }

// Query implements store.Store.
func (down) Query(context.Context, store.Query) (store.Page, error) {
	return store.Page{}, errors.New("down")
}

// TestAlerts looks at what is wrong in every workspace, and at nothing else.
func TestAlerts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var asked []crm.WorkspaceID
	w.h.alerts = func(_ context.Context, ws crm.WorkspaceID) error {
		asked = append(asked, ws)
		return nil
	}
	event, err := os.ReadFile(filepath.Join("..", "..", "events", "keeper-alerts.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lambda.NewHandler(w.h.Handle).Invoke(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(asked, []crm.WorkspaceID{home, testbed.Workspace}) || w.metrics.Len() != 0 {
		t.Errorf("looked at %v, and wrote %q", asked, w.metrics.String())
	}
	w.h.alerts = func(context.Context, crm.WorkspaceID) error { return errors.New("down") }
	if err := w.h.Handle(t.Context(), event); err == nil {
		t.Error("a store that is down is no failure")
	}
}

// TestAnyEvent shows that what an event holds does not matter.
func TestAnyEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, event := range []string{`{}`, `[]`, `1`, `{"Records":[]}`} {
		if _, err := lambda.NewHandler(w.h.Handle).Invoke(t.Context(), []byte(event)); err != nil {
			t.Errorf("%s: %v", event, err)
		}
	}
}

var _ syncs = (*engine.Engine)(nil)
