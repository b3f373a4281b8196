package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	secretPartition = "alert_secret"
	secretPurpose   = "alert_webhook"
	secretPrefix    = "whsec_"
	secretBytes     = 32
	// overlap is how long messages are signed with the former secret as well.
	overlap = 24 * time.Hour
	// maxAnswer bounds what is read of an answer, so that the connection can be used again.
	maxAnswer = 64 << 10
)

// The headers of Standard Webhooks.
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// storedSecret is the sealed secret of a connection's webhook.
type storedSecret struct {
	V     int       `json:"v"`
	Blob  []byte    `json:"blob"`
	Old   []byte    `json:"old,omitempty"`
	Until time.Time `json:"until,omitzero"` // of the old one
}

func secretKey(ws crm.WorkspaceID, con crm.ConnectionID) store.Key {
	return store.Key{Table: store.Settings, Workspace: ws, Partition: secretPartition, Sort: string(con)}
}

func binding(ws crm.WorkspaceID, con crm.ConnectionID) secret.Binding {
	return secret.Binding{Workspace: string(ws), Subject: string(con), Purpose: secretPurpose}
}

func (s *Service) loadSecret(
	ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID,
) (storedSecret, int64, error) {
	st := storedSecret{V: formatVersion}
	item, err := s.o.Store.Get(ctx, secretKey(ws, con))
	if err != nil {
		return st, 0, err
	}
	if err := json.Unmarshal(item.Data, &st); err != nil {
		return st, 0, fault.Wrap("alert: read secret", fault.Other, err)
	}
	if st.V != formatVersion {
		return st, 0, fault.New("alert: read secret", fault.Invalid, "unknown_format",
			"the secret was written by a newer version of Lockstep")
	}
	return st, item.Version, nil
}

// RotateSecret gives a connection's webhook a new secret and returns it; it
// cannot be had again. For a day messages are signed with the one before, too;
// until is the end of that, zero when there was none.
func (s *Service) RotateSecret(
	ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID,
) (text secret.Text, until time.Time, err error) {
	const op = "alert: make secret"
	old, version, err := s.loadSecret(ctx, ws, con)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return text, until, err
	}
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(s.o.Rand, raw); err != nil {
		return text, until, fault.Wrap(op, fault.Other, err)
	}
	fresh := storedSecret{V: formatVersion, Old: old.Blob}
	if fresh.Old != nil {
		fresh.Until = s.o.Now().UTC().Add(overlap)
	}
	if fresh.Blob, err = s.o.Sealer.Seal(ctx, binding(ws, con), raw); err != nil {
		return text, until, err
	}
	data, err := json.Marshal(fresh)
	if err != nil {
		return text, until, fault.Wrap(op, fault.Other, err)
	}
	_, err = s.o.Store.Write(ctx, store.Write{
		Item: store.Item{Key: secretKey(ws, con), Data: data}, If: store.IfVersion(version),
	})
	return secret.NewText(secretPrefix + base64.StdEncoding.EncodeToString(raw)), fresh.Until, err
}

// secrets are what a message is signed with, the newest first.
func (s *Service) secrets(ctx context.Context, ws crm.WorkspaceID, con crm.ConnectionID) ([][]byte, error) {
	st, _, err := s.loadSecret(ctx, ws, con)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New("alert: sign", fault.Invalid, "no_webhook_secret",
			"the webhook has no secret yet: make one with POST /v1/connections/"+string(con)+"/notify/secret")
	}
	if err != nil {
		return nil, err
	}
	blobs := [][]byte{st.Blob}
	if st.Old != nil && s.o.Now().Before(st.Until) {
		blobs = append(blobs, st.Old)
	}
	out := make([][]byte, len(blobs))
	for i, b := range blobs {
		if out[i], err = s.o.Sealer.Open(ctx, binding(ws, con), b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// sign returns the header webhook-signature.
func sign(id string, at time.Time, body []byte, secrets [][]byte) string {
	var all []string
	for _, raw := range secrets {
		h := hmac.New(sha256.New, raw)
		fmt.Fprintf(h, "%s.%d.", id, at.Unix())
		h.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	return strings.Join(all, " ")
}

// receiver is what the guard is told of a webhook's host: it belongs to whoever
// an admin says, as long as it is a public one, or the operator allowed it.
func receiver(raw string) crm.App {
	app := crm.App{Name: "the receiver"}
	if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
		app.Hosts = []string{u.Hostname()}
	}
	return app
}

// CheckWebhook says whether messages may be sent to an address: a remedy, or "".
func (s *Service) CheckWebhook(raw string) string {
	if err := s.o.CheckURL(receiver(raw), raw); err != nil {
		return failed(err).err
	}
	return ""
}

// post sends a message to the webhook of a connection. Any answer but 2xx is a
// failure; redirects are not followed.
func (s *Service) post(ctx context.Context, ws crm.WorkspaceID, c *crm.Connection, p payload) result {
	raw := *c.Notify.Webhook
	if problem := s.CheckWebhook(raw); problem != "" {
		return result{state: DeliveryPending, err: problem}
	}
	keys, err := s.secrets(ctx, ws, c.ID)
	if err != nil {
		return failed(err)
	}
	body, err := p.body()
	if err != nil {
		return failed(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, raw, bytes.NewReader(body))
	if err != nil {
		return failed(err)
	}
	now := s.o.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Lockstep")
	req.Header.Set(headerID, p.ID)
	req.Header.Set(headerTimestamp, strconv.FormatInt(now.Unix(), 10))
	req.Header.Set(headerSignature, sign(p.ID, now, body, keys))
	resp, err := s.o.HTTP(receiver(raw), "").Do(req)
	if err != nil {
		r := failed(err)
		if r.err == failed(nil).err {
			r.err = "the receiver did not answer"
		}
		return r
	}
	defer func() { _ = resp.Body.Close() }()                         // it was read as far as it matters
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // what it says is no concern of ours
	if resp.StatusCode/100 != 2 {
		return result{state: DeliveryPending, err: "the receiver answered " + strconv.Itoa(resp.StatusCode)}
	}
	return result{state: DeliveryDelivered}
}
