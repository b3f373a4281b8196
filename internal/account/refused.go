package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/store"
)

// Refusal counts the deliveries of an account that were refused for one reason.
type Refusal struct {
	Code  string    `json:"code" doc:"See GET /v1/codes"`
	Count int64     `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// maxRefusals bounds the reasons that are kept of an account.
const maxRefusals = 20

const refusedPrefix = "refused#"

type storedRefusals struct {
	V       int       `json:"v"`
	Reasons []Refusal `json:"reasons"`
}

func (s *Service) refusals(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) (storedRefusals, int64, error) {
	const op = "account: read refused deliveries"
	r := storedRefusals{V: formatVersion}
	item, err := s.o.Store.Get(ctx, settingsKey(ws, refusedPrefix+string(id)))
	if fault.Is(err, fault.NotFound) {
		return r, 0, nil
	}
	if err != nil {
		return r, 0, fmt.Errorf("%s: %w", op, err)
	}
	if err := decode(op, item.Data, &r); err != nil {
		return r, 0, err
	}
	return r, item.Version, checkFormat(op, r.V)
}

// Refusals lists the refused deliveries of an account, by reason.
func (s *Service) Refusals(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID) ([]Refusal, error) {
	if len(id) > maxID { // of a draft that names none
		return nil, nil
	}
	r, _, err := s.refusals(ctx, ws, id)
	return r.Reasons, err
}

// RefusedDelivery counts a delivery that was refused, by its reason.
func (s *Service) RefusedDelivery(ctx context.Context, ws crm.WorkspaceID, id crm.AccountID, code string) error {
	now := s.o.Now().UTC()
	for range maxTries {
		r, version, err := s.refusals(ctx, ws, id)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(r.Reasons, func(x Refusal) bool { return x.Code == code })
		if i < 0 {
			if len(r.Reasons) >= maxRefusals {
				return nil
			}
			r.Reasons = append(r.Reasons, Refusal{Code: code, First: now})
			slices.SortFunc(r.Reasons, func(a, b Refusal) int { return strings.Compare(a.Code, b.Code) })
			i = slices.IndexFunc(r.Reasons, func(x Refusal) bool { return x.Code == code })
		}
		r.Reasons[i].Count++
		r.Reasons[i].Last = now
		b, err := encode(r)
		if err != nil {
			return err
		}
		_, err = s.o.Store.Write(ctx, store.Write{
			Item: store.Item{Key: settingsKey(ws, refusedPrefix+string(id)), Data: b},
			If:   store.IfVersion(version),
		})
		if !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return contended("account: count refused delivery")
}
