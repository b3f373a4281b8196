package account

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
	"github.com/lockstep-crm/lockstep/internal/store"
)

const (
	// overlap is how long the old address of a hook works after a rotation.
	overlap = 24 * time.Hour
	// deliveryEvery is how often the time of the last delivery is written at most.
	deliveryEvery = time.Minute
	// maxOld is how many old addresses may overlap at once.
	maxOld = 4
)

// Hook is the address of an account at which its app calls us.
type Hook struct {
	Token        secret.Text // last part of the path; 256 random bits
	Since        time.Time
	OldUntil     time.Time // when the address before stops working; zero = there is none
	Refused      []Refusal // deliveries that were not authentic
	Secret       bool      // there is a secret to check signatures with
	LastDelivery time.Time // of an authentic delivery, to the minute; zero = never
}

// storedHook is the hook of an account, beside it.
type storedHook struct {
	V     int       `json:"v"`
	Token []byte    `json:"token"` // sealed
	Hash  string    `json:"hash"`
	Since time.Time `json:"since"`
	Old   []oldHook `json:"old,omitempty"` // newest first

	version int64
}

type oldHook struct {
	Hash  string    `json:"hash"`
	Until time.Time `json:"until"`
}

func (h storedHook) hashes() []string {
	if h.Hash == "" {
		return nil
	}
	out := []string{h.Hash}
	for _, o := range h.Old {
		out = append(out, o.Hash)
	}
	return out
}

// hookTarget is the top-level item under a token's hash.
type hookTarget struct {
	V       int             `json:"v"`
	WS      crm.WorkspaceID `json:"ws"`
	Account crm.AccountID   `json:"account"`
}

func hookKey(hash string) store.Key {
	return store.Key{Table: store.Settings, Partition: "webhook#" + hash, Sort: "token"}
}

// loadHook reads the hook of an account; the zero hook when it has none.
func (s *Service) loadHook(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (storedHook, error) {
	const op = "account: read hook"
	var h storedHook
	item, err := s.o.Store.Get(ctx, settingsKey(ws, hookPrefix+string(id)))
	if fault.Is(err, fault.NotFound) {
		return h, nil
	}
	if err != nil {
		return h, fmt.Errorf("%s: %w", op, err)
	}
	if err := decode(op, item.Data, &h); err != nil {
		return h, err
	}
	h.version = item.Version
	return h, checkFormat(op, h.V)
}

// EnsureWebhook returns the account's hook, made at the first call.
//
// Errors: NotFound; Unsupported for apps that do not call us.
func (s *Service) EnsureWebhook(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (Hook, error) {
	for range maxTries {
		h, err := s.hookOf(ctx, ws, id)
		if err != nil {
			return Hook{}, err
		}
		if h.Hash != "" {
			return s.showHook(ctx, ws, id, h)
		}
		if err = s.renewHook(ctx, ws, id, h, false); err != nil && !fault.Is(err, fault.Conflict) {
			return Hook{}, err
		}
	}
	return Hook{}, contended("account: make hook")
}

// RotateWebhook gives the account a new hook. The old address works for another
// 24 hours, or with revoke not at all, and neither do those before it: whoever
// has got hold of one is shut out at once. Errors: as EnsureWebhook; Conflict for too many rotations
// within that time.
func (s *Service) RotateWebhook(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, revoke bool) (Hook, error) {
	for range maxTries {
		h, err := s.hookOf(ctx, ws, id)
		if err != nil {
			return Hook{}, err
		}
		switch err = s.renewHook(ctx, ws, id, h, revoke); {
		case err == nil:
			return s.EnsureWebhook(ctx, ws, id)
		case fault.CodeOf(err) == codeTooManyHooks, !fault.Is(err, fault.Conflict):
			return Hook{}, err
		}
	}
	return Hook{}, contended("account: rotate hook")
}

const codeTooManyHooks = "too_many_rotations"

// hookOf reads the hook of an account that may have one.
func (s *Service) hookOf(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (storedHook, error) {
	a, err := s.load(ctx, ws, id)
	if err != nil {
		return storedHook{}, err
	}
	d, err := s.Driver(ctx, ws, a)
	if err != nil {
		return storedHook{}, err
	}
	if d.Webhooks == nil {
		return storedHook{}, fault.New("account: hook", fault.Unsupported, "unsupported",
			d.App.Name+" does not send webhooks")
	}
	return s.loadHook(ctx, ws, id)
}

// renewHook puts a new token in front of h's, or with revoke in their place.
func (s *Service) renewHook(
	ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, h storedHook, revoke bool,
) error {
	token, err := s.randomText()
	if err != nil {
		return err
	}
	now := s.o.Now().UTC()
	fresh := storedHook{V: formatVersion, Hash: hashOf(token), Since: now}
	if fresh.Token, err = s.sealJSON(ctx, credentialBinding(ws, id, purposeHook), token); err != nil {
		return err
	}
	target, err := encode(hookTarget{V: formatVersion, WS: ws, Account: id})
	if err != nil {
		return err
	}
	writes := []store.Write{{Item: store.Item{Key: hookKey(fresh.Hash), Data: target}, If: store.IfAbsent}}
	switch {
	case revoke:
		for _, hash := range h.hashes() {
			writes = append(writes, store.Write{Op: store.Delete, Item: store.Item{Key: hookKey(hash)}})
		}
		h.Old = nil
	case h.Hash != "":
		until := now.Add(overlap)
		fresh.Old = append(fresh.Old, oldHook{h.Hash, until})
		writes = append(writes, store.Write{
			Item: store.Item{Key: hookKey(h.Hash), Data: target, Expires: until}, If: store.IfExists,
		})
	}
	for _, o := range h.Old {
		if now.Before(o.Until) {
			fresh.Old = append(fresh.Old, o)
		}
	}
	if len(fresh.Old) > maxOld {
		return fault.New("account: rotate hook", fault.Conflict, codeTooManyHooks,
			"the address was changed too often today; old ones still work")
	}
	b, err := encode(fresh)
	if err != nil {
		return err
	}
	// The account must still be there, or its deletion would leave a hook behind.
	writes = append(writes,
		store.Write{Item: store.Item{Key: settingsKey(ws, hookPrefix+string(id)), Data: b}, If: store.IfVersion(h.version)},
		store.Write{Op: store.Check, Item: store.Item{Key: accountKey(ws, id)}, If: store.IfExists})
	if err := s.o.Store.Transact(ctx, writes); err != nil {
		return fmt.Errorf("account: write hook: %w", err)
	}
	return nil
}

func (s *Service) showHook(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, h storedHook) (Hook, error) {
	var token string
	if err := s.openJSON(ctx, credentialBinding(ws, id, purposeHook), h.Token, &token); err != nil {
		return Hook{}, err
	}
	out := Hook{Token: secret.NewText(token), Since: h.Since}
	if len(h.Old) > 0 && s.o.Now().Before(h.Old[0].Until) {
		out.OldUntil = h.Old[0].Until
	}
	var err error
	if out.LastDelivery, _, err = s.lastDelivery(ctx, ws, id); err != nil {
		return out, err
	}
	refused, _, err := s.refusals(ctx, ws, id)
	if err != nil {
		return out, err
	}
	out.Refused = refused.Reasons
	a, err := s.load(ctx, ws, id)
	if err != nil {
		return out, err
	}
	key, err := s.signingSecret(ctx, ws, a)
	out.Secret = !key.Empty()
	return out, err
}

// Delivery is what a hook's token stands for.
type Delivery struct {
	Workspace crm.WorkspaceID
	Account   crm.AccountID
	Driver    connector.Driver
	Trust     connector.WebhookTrust
}

// noHook is the one answer to tokens that are unknown, revoked or malformed.
func noHook() error {
	return fault.New("account: hook", fault.NotFound, "", "there is no such address")
}

// LookupWebhook returns what a token stands for, and what deliveries to it are
// checked against.
//
// Errors: NotFound, the same for every token that does not work; Unavailable
// when the signing secret could not be had: the app must send again.
func (s *Service) LookupWebhook(ctx context.Context, token string) (Delivery, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(secretBytes) {
		return Delivery{}, noHook()
	}
	item, err := s.o.Store.Get(ctx, hookKey(hashOf(token)))
	if fault.Is(err, fault.NotFound) {
		return Delivery{}, noHook()
	}
	if err != nil {
		return Delivery{}, noTrust(err)
	}
	var at hookTarget
	if err := decode("account: decode hook", item.Data, &at); err != nil || at.V != formatVersion {
		return Delivery{}, noTrust(err)
	}
	a, err := s.load(ctx, at.WS, at.Account)
	if fault.Is(err, fault.NotFound) {
		return Delivery{}, noHook()
	}
	if err != nil {
		return Delivery{}, noTrust(err)
	}
	key, err := s.signingSecret(ctx, at.WS, a)
	if err != nil {
		return Delivery{}, noTrust(err)
	}
	driver, err := s.Driver(ctx, at.WS, a)
	if err != nil {
		return Delivery{}, noTrust(err)
	}
	return Delivery{
		Workspace: at.WS, Account: a.ID, Driver: driver,
		Trust: connector.WebhookTrust{Secret: key, ExternalID: a.ExternalID},
	}, nil
}

func noTrust(err error) error {
	return &fault.Error{
		Op: "account: hook", Kind: fault.Unavailable, Code: "webhook_secret_unavailable",
		Message: "the delivery could not be checked; send it again", Err: err,
	}
}

// signingSecret is the account's own, else that of the workspace's OAuth
// client at the app, else none.
func (s *Service) signingSecret(ctx context.Context, ws crm.WorkspaceID, a Account) (secret.Text, error) {
	c, err := s.loadCredential(ctx, ws, a.ID)
	if err != nil {
		return secret.Text{}, err
	}
	fields, err := s.openFields(ctx, ws, a.ID, c)
	if err != nil {
		return secret.Text{}, err
	}
	if key := fields[FieldWebhookSecret]; !key.Empty() {
		return key, nil
	}
	client, err := s.Client(ctx, ws, a.App)
	if fault.Is(err, fault.NotFound) {
		return secret.Text{}, nil
	}
	return client.Secret, err
}

// lastDelivery reads when the app last called, and the item's version.
func (s *Service) lastDelivery(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (time.Time, int64, error) {
	item, err := s.o.Store.Get(ctx, settingsKey(ws, deliveryPrefix+string(id)))
	if fault.Is(err, fault.NotFound) {
		return time.Time{}, 0, nil
	}
	if err != nil {
		return time.Time{}, 0, fmt.Errorf("account: read last delivery: %w", err)
	}
	var d storedDelivery
	if err := decodeDelivery(item, &d); err != nil {
		return time.Time{}, 0, err
	}
	return d.At, item.Version, nil
}

type storedDelivery struct {
	V  int       `json:"v"`
	At time.Time `json:"at"`
}

func decodeDelivery(item store.Item, d *storedDelivery) error {
	const op = "account: decode last delivery"
	if err := decode(op, item.Data, d); err != nil {
		return err
	}
	return checkFormat(op, d.V)
}

// Delivered notes an authentic delivery, at most once a minute. A conflict
// means that another worker noted the same minute, and is no error.
func (s *Service) Delivered(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) error {
	now := s.o.Now().UTC()
	if !s.noteDelivery(place{ws, id}, now) {
		return nil
	}
	last, version, err := s.lastDelivery(ctx, ws, id)
	if err != nil {
		return err
	}
	if since := now.Sub(last); since >= 0 && since < deliveryEvery {
		return nil
	}
	b, err := encode(storedDelivery{V: formatVersion, At: now})
	if err != nil {
		return err
	}
	_, err = s.o.Store.Write(ctx, store.Write{
		Item: store.Item{Key: settingsKey(ws, deliveryPrefix+string(id)), Data: b}, If: store.IfVersion(version),
	})
	if err != nil && !fault.Is(err, fault.Conflict) {
		return fmt.Errorf("account: note delivery: %w", err)
	}
	return nil
}

// noteDelivery reports whether this process has written none in the last minute.
func (s *Service) noteDelivery(at place, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := now.Sub(s.delivered[at]); since >= 0 && since < deliveryEvery {
		return false
	}
	if len(s.delivered) >= maxOpened {
		clear(s.delivered)
	}
	s.delivered[at] = now
	return true
}
