package alert

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/backoff"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	// maxOutbox bounds the messages of a connection that wait to be sent.
	maxOutbox = 500
	// sendMost bounds what one call of Send sends.
	sendMost = 20
	// maxTogether bounds the alerts of one mail.
	maxTogether = 20
	// giveUpAfter is how long a message is tried.
	giveUpAfter = 72 * time.Hour
	settleTries = 5
)

// again is how a message that could not be sent is tried again.
var again = backoff.Policy{First: time.Minute, Most: time.Hour}

// message is a message that waits to be sent, or was not seen to be. It names
// its alert and holds no text: that is made when it is sent.
type message struct {
	ID       string        `json:"id"`
	Alert    string        `json:"alert"`
	Event    string        `json:"event"`
	Channel  string        `json:"channel"`
	Made     time.Time     `json:"made"`
	Next     time.Time     `json:"next"`
	Wait     time.Duration `json:"wait,omitempty"`
	Attempts int           `json:"attempts,omitempty"`
	Held     bool          `json:"held,omitempty"` // for quiet hours or a digest: it goes with others
}

// wanted reports whether messages on a channel are wanted.
func wanted(n *crm.Notify, channel string) bool {
	if channel == ChannelMail {
		return n.Enabled && n.User != ""
	}
	return n.Enabled && n.Webhook != nil && *n.Webhook != ""
}

// tell puts the messages about a change of an alert into the outbox.
func (s *Service) tell(c *crm.Connection, m *memory, a *Alert, event string) {
	now := s.o.Now().UTC()
	for _, channel := range []string{ChannelMail, ChannelWebhook} {
		if !wanted(&c.Notify, channel) {
			continue
		}
		d := Delivery{ID: s.o.NewID("msg"), Channel: channel, Event: event, State: DeliveryPending, Next: now}
		msg := message{ID: d.ID, Alert: a.ID, Event: event, Channel: channel, Made: now, Next: now}
		if channel == ChannelMail {
			msg.Next, msg.Held = due(&c.Notify, now)
			d.Next = msg.Next
		}
		if len(m.Outbox) >= maxOutbox {
			d.State, d.Next, d.Error = DeliveryFailed, time.Time{}, "too many messages of the connection wait to be sent"
		} else {
			m.Outbox = append(m.Outbox, msg)
		}
		a.Deliveries = append(a.Deliveries, d)
	}
}

// result is what came of an attempt.
type result struct {
	state    string
	err      string
	fallback bool
}

// Send sends the messages of a connection that are due. Each is taken by a
// conditional write first, so that of two that send at once one does; one whose
// sender died is sent again later, under the same ID.
func (s *Service) Send(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection) error {
	for range sendMost {
		m, item, err := s.load(ctx, ws, c.ID)
		if err != nil {
			return err
		}
		now := s.o.Now().UTC()
		batch := m.take(now)
		if len(batch) == 0 {
			return nil
		}
		w, err := m.write(ws, c.ID, item.Version)
		if err != nil {
			return fault.Wrap("alert: write memory", fault.Other, err)
		}
		if _, err := s.o.Store.Write(ctx, w); err != nil {
			if fault.Is(err, fault.Conflict) {
				return nil // somebody else is at it
			}
			return err
		}
		if err := s.settle(ctx, ws, c.ID, batch, s.deliver(ctx, ws, c, batch)); err != nil {
			return err
		}
	}
	return nil
}

// take picks the first message that is due, with those that go with it, and
// notes the attempt.
func (m *memory) take(now time.Time) []message {
	var batch []message
	for i := range m.Outbox {
		x := &m.Outbox[i]
		if x.Next.After(now) || len(batch) > 0 && !(batch[0].Held && x.Held && len(batch) < maxTogether) {
			continue
		}
		x.Attempts++
		x.Wait = again.Next(x.Wait)
		x.Next = now.Add(x.Wait)
		batch = append(batch, *x)
	}
	return batch
}

// deliver sends the messages of a batch, which are of one channel.
func (s *Service) deliver(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, batch []message) result {
	channel := batch[0].Channel
	if !wanted(&c.Notify, channel) {
		return result{state: DeliveryUnwanted}
	}
	var told []event
	for i := range batch {
		a, _, err := s.alert(ctx, ws, batch[i].Alert)
		switch {
		case err == nil:
			told = append(told, event{batch[i].ID, batch[i].Event, a})
		case !fault.Is(err, fault.NotFound):
			return failed(err)
		}
	}
	if len(told) == 0 {
		return result{state: DeliveryDelivered} // what it was about is no longer remembered
	}
	if channel == ChannelWebhook {
		return s.post(ctx, ws, c, told[0].payload(s.o.Now()))
	}
	return s.mail(ctx, ws, c, mailOf(c, told))
}

// failed says what may be said of an error.
func failed(err error) result {
	var f *fault.Error
	if errors.As(err, &f) && f.Message != "" {
		return result{state: DeliveryPending, err: f.Message}
	}
	return result{state: DeliveryPending, err: "it could not be sent"}
}

// mail sends a mail to the user chosen, or to the admins when that one is not
// active any more.
func (s *Service) mail(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, mail Mail) result {
	if s.o.Mailer == nil {
		return result{state: DeliveryPending, err: "no mail server is configured"}
	}
	to, fallback, err := s.Recipients(ctx, ws, c.Notify.User)
	if err != nil {
		return failed(err)
	}
	if len(to) == 0 {
		return result{
			state: DeliveryPending, err: "the user chosen is not active, and no admin has an address: give a key one, or " +
				"choose another user",
		}
	}
	mail.To = to
	if err := s.o.Mailer.Send(ctx, mail); err != nil {
		r := failed(err)
		r.fallback = fallback
		return r
	}
	return result{state: DeliveryDelivered, fallback: fallback}
}

// Recipients are the addresses that a mail for a chosen user goes to: the
// user's own, or with fallback those of the admins.
func (s *Service) Recipients(
	ctx context.Context, ws crm.WorkspaceID, user string,
) (to []string, fallback bool, err error) {
	all, err := s.o.Users(ctx, ws)
	if err != nil {
		return nil, false, err
	}
	for _, p := range all {
		if p.Active && strings.EqualFold(p.Email, user) {
			return []string{p.Email}, false, nil
		}
	}
	for _, p := range all {
		if p.Active && slices.Contains(p.Roles, string(access.Admin)) {
			to = append(to, p.Email)
		}
	}
	return to, true, nil
}

// settle stores what came of an attempt, with the alerts and in the outbox.
func (s *Service) settle(
	ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, batch []message, r result,
) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second) // it was sent: that must be known
	defer cancel()
	var err error
	for range settleTries {
		if err = s.settleOnce(ctx, ws, con, batch, r); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return err
}

func (s *Service) settleOnce(
	ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID, batch []message, r result,
) error {
	m, item, err := s.load(ctx, ws, con)
	if err != nil {
		return err
	}
	now := s.o.Now().UTC()
	alerts, versions := map[string]*Alert{}, map[string]int64{}
	for i := range batch {
		x := batch[i]
		d := Delivery{
			ID: x.ID, Channel: x.Channel, Event: x.Event, State: r.state, Attempts: x.Attempts, Next: x.Next,
			Error: r.err, Fallback: r.fallback,
		}
		if r.state == DeliveryPending && now.Sub(x.Made) >= giveUpAfter {
			d.State = DeliveryFailed
		}
		if d.State == DeliveryDelivered {
			d.At = now
		}
		if d.State != DeliveryPending {
			d.Next = time.Time{}
			m.Outbox = slices.DeleteFunc(m.Outbox, func(o message) bool { return o.ID == x.ID })
		}
		if alerts[x.Alert] == nil {
			a, seen, err := s.alert(ctx, ws, x.Alert)
			if fault.Is(err, fault.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			alerts[x.Alert], versions[x.Alert] = a, seen
		}
		ds := alerts[x.Alert].Deliveries
		if n := slices.IndexFunc(ds, func(o Delivery) bool { return o.ID == x.ID }); n >= 0 {
			ds[n] = d
		}
	}
	w, err := m.write(ws, con, item.Version)
	if err != nil {
		return fault.Wrap("alert: write memory", fault.Other, err)
	}
	writes := []store.Write{w}
	for id, a := range alerts {
		w, err := alertWrite(ws, a, store.IfVersion(versions[id]))
		if err != nil {
			return fault.Wrap("alert: write", fault.Other, err)
		}
		writes = append(writes, w)
	}
	return s.o.Store.Transact(ctx, writes)
}

// People lists who may be told in a workspace.
func (s *Service) People(ctx context.Context, ws crm.WorkspaceID) ([]access.Person, error) {
	return s.o.Users(ctx, ws)
}

// Mails reports whether there is a mail server.
func (s *Service) Mails() bool { return s.o.Mailer != nil }

// Tested is what came of a test message on one channel.
type Tested struct {
	Channel  string `json:"channel" enum:"mail,webhook"`
	OK       bool   `json:"ok"`
	Error    string `json:"error,omitempty"`
	Fallback bool   `json:"fallback,omitempty" doc:"It went to the admins: the user chosen is not active any more"`
}

// Test sends a message that says that it is a test on every channel that is
// wanted, once and at once.
func (s *Service) Test(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection) []Tested {
	var out []Tested
	id := s.o.NewID("msg")
	for _, channel := range []string{ChannelMail, ChannelWebhook} {
		if !wanted(&c.Notify, channel) {
			continue
		}
		var r result
		if channel == ChannelMail {
			r = s.mail(ctx, ws, c, testMail(id, c))
		} else {
			r = s.post(ctx, ws, c, testPayload(id, c, s.o.Now()))
		}
		out = append(out, Tested{channel, r.state == DeliveryDelivered, r.err, r.fallback})
	}
	return out
}
