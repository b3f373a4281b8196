package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/lockstep-crm/lockstep/internal/app/cloud"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/engine"
	"github.com/lockstep-crm/lockstep/internal/invocation"
	"github.com/lockstep-crm/lockstep/internal/proof/testbed"
)

// writer logs each write as the counted client of a function logs its call:
// by the context that the engine hands down.
type writer struct {
	connector.Connector
	log func() *slog.Logger
}

// BatchWrite implements connector.Connector.
func (w writer) BatchWrite(ctx context.Context, object string, writes []connector.Write) ([]connector.Written, error) {
	w.log().InfoContext(ctx, "app called")
	return w.Connector.BatchWrite(ctx, object, writes)
}

// invoke runs f as an invocation with a trace.
func invoke(t *testing.T, calls *invocation.Calls, trace string, f func(context.Context) error) {
	t.Helper()
	ctx := context.WithValue(t.Context(), "x-amzn-trace-id", //nolint:staticcheck,revive // the runtime's own key
		"Root="+trace+";Sampled=1")
	if _, err := calls.Handler(f).Invoke(ctx, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
}

// TestOneTraceFromWebhookToWrite follows a delivery: the message that the one
// function queues, and the log of the other one down to the call of the app,
// name the invocation that took the delivery in.
func TestOneTraceFromWebhookToWrite(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	var log *slog.Logger
	webhook, sync := new(invocation.Calls), new(invocation.Calls)
	b, err := testbed.New(t.Context(),
		testbed.Options{People: 3, Wrap: func(_ crm.AccountID, c connector.Connector) connector.Connector {
			return writer{c, func() *slog.Logger { return log }}
		}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	log = slog.New(slog.DiscardHandler)
	if _, err := b.Engine.StartConnection(t.Context(), testbed.Workspace, testbed.Connection); err != nil {
		t.Fatal(err)
	}
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	taking, err := engine.New(engine.Config{
		Store: b.Store, Queue: b.Queue, Open: b.Open, Now: b.Now, NewID: func(p string) string { return p + "_x1" },
		Sleep: b.Engine.Sleep, Trace: webhook.Trace,
	})
	if err != nil {
		t.Fatal(err)
	}
	id := b.Hub.Core().Records("contacts")[0].ID
	if _, err := b.Hub.Core().UpdateRecord("contacts", id, map[string]string{"lastname": "Changed"}); err != nil {
		t.Fatal(err)
	}
	invoke(t, webhook, "1-webhook", func(ctx context.Context) error {
		return taking.Webhook(ctx, testbed.Workspace, testbed.LeftAccount, []connector.Event{
			{Object: "contacts", ID: crm.RecordID(id), Kind: connector.EventChanged},
		})
	})
	ds, err := b.Queue.Receive(t.Context(), 10, 0)
	if err != nil || len(ds) != 1 {
		t.Fatalf("%d messages, %v; want the one of the delivery", len(ds), err)
	}
	if got := engine.OriginOf(ds[0].Body).Trace; got != "1-webhook" {
		t.Errorf("the message names %q, want the invocation that sent it", got)
	}

	log = slog.New(sync.LogHandler(slog.NewJSONHandler(&said, nil)))
	var metrics bytes.Buffer
	h, _ := plain(b.Engine.Work)
	h.log, h.now = log, b.Now
	h.report = cloud.Report{
		Take: func() cloud.Work { return cloud.Work{Calls: map[crm.AppID]int64{"hubspot": 1}} },
		To:   &metrics, Stage: "test",
	}
	message := func(id, body string) events.SQSMessage {
		return events.SQSMessage{MessageId: id, ReceiptHandle: ds[0].Receipt, Body: body, Attributes: map[string]string{
			"MessageGroupId": ds[0].Group, "ApproximateReceiveCount": "1",
		}}
	}
	// It comes twice, and before one that names nobody: the origin is named once.
	batch, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{
		message(ds[0].ID, string(ds[0].Body)), message("again", string(ds[0].Body)), message("odd", `{}`),
	}})
	if err != nil {
		t.Fatal(err)
	}
	invoke(t, sync, "1-sync", func(ctx context.Context) error {
		out, err := h.Handle(ctx, batch)
		if got := failures(out); slices.Contains(got, ds[0].ID) {
			t.Errorf("%q stay, want the message gone", got)
		}
		return err
	})
	var lines []string
	for line := range strings.Lines(said.String()) {
		var l struct {
			Msg, TraceID, Origin string
			Origins              []string
			Done                 bool
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		switch {
		case l.TraceID != "1-sync":
			t.Errorf("%s does not name its invocation", line)
		case l.Msg == "app called" && slices.Equal(l.Origins, []string{"1-webhook"}), l.Msg == "message worked" &&
			l.Origin == "1-webhook" && l.Done:
			lines = append(lines, l.Msg)
		}
	}
	if !slices.Contains(lines, "app called") || !slices.Contains(lines, "message worked") {
		t.Errorf("lines with the trace of the delivery: %v; want the write and the message's end in\n%s", lines,
			said.String())
	}
	if !strings.Contains(metrics.String(), `"ChangeLag":0`) || !strings.Contains(metrics.String(), `"AppCalls":1`) {
		t.Errorf("the metrics are %s", metrics.String())
	}
}
