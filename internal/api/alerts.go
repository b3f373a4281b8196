package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/reconcile"
)

// Codes of notify.
const (
	CodeUnknownUser   = "unknown_user"
	CodeNobodyToTell  = "nobody_to_tell"
	CodeNotifyWebhook = "notify_webhook_refused"
	CodeNotifyOff     = "notify_off"
)

func (s *server) registerAlerts() {
	handle(s, "list-alerts", s.listAlerts)
	handle(s, "test-notify", s.testNotify)
	handle(s, "rotate-notify-secret", s.rotateNotifySecret)
	handle(s, "list-users", s.listUsers)
}

func (s *server) listAlerts(ctx context.Context, in *struct {
	ListInput
	State      alert.State      `query:"state" enum:"open,resolved" doc:"Only these"`
	Connection crm.ConnectionID `query:"connection" minLength:"1" maxLength:"200"`
	Kind       alert.Kind       `query:"kind" minLength:"1" maxLength:"100" doc:"Only alerts of this kind"`
},
) (*listOutput[alert.Alert], error) {
	mine, err := s.visible(ctx, in.Connection)
	if err != nil {
		return nil, err
	}
	f := alert.Filter{State: in.State, Connection: in.Connection, Kind: in.Kind, Sees: mine}
	items, next, err := s.Alerts.List(ctx, access.From(ctx).Workspace, f, in.Limit, in.Cursor)
	if err != nil {
		return nil, err
	}
	return listed(items, next), nil
}

func (s *server) listUsers(ctx context.Context, in *WholeInput) (*listOutput[access.Person], error) {
	people, err := s.Alerts.People(ctx, access.From(ctx).Workspace)
	if err != nil {
		return nil, err
	}
	return paged(people, *in)
}

type testedOutput struct {
	Body struct {
		Results []alert.Tested `json:"results" nullable:"false" doc:"One for each channel that is set"`
	} `nameHint:"TestedNotify"`
}

func (s *server) testNotify(ctx context.Context, in *connectionPath) (*testedOutput, error) {
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if !c.Notify.Enabled {
		return nil, problem(http.StatusConflict, CodeNotifyOff, "")
	}
	who := access.From(ctx)
	out := new(testedOutput)
	err = s.audit.Do(ctx, who, requestID(ctx), "notify.test", string(c.ID), nil, nil, func() error {
		out.Body.Results = s.Alerts.Test(ctx, who.Workspace, c)
		return nil
	})
	some(&out.Body.Results)
	return out, err
}

type notifySecret struct {
	Secret   string    `json:"secret" doc:"whsec_…, for the libraries of Standard Webhooks; shown only in this answer"`
	OldUntil time.Time `json:"old_until,omitzero" doc:"Until then messages are signed with the secret before, too; absent when there was none"`
}

type notifySecretOutput struct{ Body notifySecret }

func (s *server) rotateNotifySecret(ctx context.Context, in *connectionPath) (*notifySecretOutput, error) {
	c, _, err := s.changeable(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if c.Status == crm.StatusDeleting {
		return nil, problem(http.StatusConflict, CodeDeleting, "")
	}
	who := access.From(ctx)
	out := new(notifySecretOutput)
	err = s.audit.Do(ctx, who, requestID(ctx), "notify.secret", string(c.ID), nil, nil, func() error {
		text, until, err := s.Alerts.RotateSecret(ctx, who.Workspace, c.ID)
		out.Body = notifySecret{text.Reveal(), until}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// notify checks who is to hear of alerts. A user that was chosen before and is
// not active any more stays: the admins hear in their place.
func (v *validation) notify() error {
	n, was := v.c.Notify, crm.Notify{}
	if v.old != nil {
		was = v.old.Notify
	}
	webhook := n.Webhook != nil && *n.Webhook != ""
	if n.Enabled && n.User == "" && !webhook {
		v.add("/notify", CodeNobodyToTell, "choose a user of GET /v1/users or a webhook, or set enabled to false")
	}
	if webhook {
		if problem := v.s.Alerts.CheckWebhook(*n.Webhook); problem != "" {
			v.add("/notify/webhook", CodeNotifyWebhook, "%s", problem)
		}
	}
	if q := n.QuietHours; q != nil {
		for key, text := range map[string]string{"from": q.From, "to": q.To} {
			if _, err := time.Parse("15:04", text); err != nil || len(text) != len("15:04") {
				v.add("/notify/quiet_hours/"+key, CodeUnknownValue, "use a time of the day such as 07:00")
			}
		}
		if q.From == q.To {
			v.add("/notify/quiet_hours/to", CodeUnknownValue,
				"quiet hours that end when they begin would be none or all: choose another time, or leave quiet_hours out")
		}
		if _, err := time.LoadLocation(q.TimeZone); err != nil || q.TimeZone == "Local" {
			v.add("/notify/quiet_hours/time_zone", reconcile.CodeUnknownZone, "use an IANA name such as \"America/New_York\"")
		}
	}
	if n.User == "" || strings.EqualFold(n.User, was.User) {
		return nil
	}
	if !v.s.Alerts.Mails() {
		v.add("/notify/user", CodeUnsupportedSetting,
			"no mail can be sent: the operator has to name a mail server (--smtp-server); until then leave user empty and "+
				"set a webhook")
	}
	people, err := v.s.Alerts.People(v.ctx, v.ws)
	if err != nil {
		return err
	}
	for _, p := range people {
		if p.Active && strings.EqualFold(p.Email, n.User) {
			return nil
		}
	}
	v.add("/notify/user", CodeUnknownUser,
		"choose an active one of GET /v1/users; a key with user.email makes one: POST /v1/keys")
	return nil
}
