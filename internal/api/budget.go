package api

import (
	"context"
	"net/http"
	"time"

	"github.com/lockstep-crm/lockstep/internal/access"
	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// spend takes one of a caller's share, or says when there is one again.
func (s *server) spend(who access.Principal, what Spending) *Problem {
	wait := s.Budgets.Take(who, what)
	if wait <= 0 {
		return nil
	}
	p := problem(http.StatusTooManyRequests, CodeShareSpent, "this caller's share of "+what.String()+
		" is spent for the moment")
	p.retryAfter(wait)
	return p
}

// spending makes the app calls of a request its caller's: a viewer causes none,
// others have a share, and only theirs may use what bulk work leaves to people.
func (s *server) spending(ctx context.Context, who access.Principal) context.Context {
	const op = "api: call an app"
	if who.Role == access.Viewer {
		refused := fault.New(op, fault.Unavailable, CodeViewerAsks,
			"viewers are answered from what is stored: a member or an admin can have the app asked")
		return connector.WithAllowance(ctx, func() error { return refused })
	}
	return connector.Foreground(connector.WithAllowance(ctx, func() error {
		wait := s.Budgets.Take(who, AppCalls)
		if wait <= 0 {
			return nil
		}
		return &fault.Error{
			Op: op, Kind: fault.Throttled, Code: CodeShareSpent, RetryAfter: wait,
			Message: "this caller's share of " + AppCalls.String() + " is spent for the moment",
		}
	}))
}

// readings are the calls that begin a reading of a whole sync.
var readings = map[string]bool{"create-plan": true, "pull-sync": true, "resync-sync": true}

// share takes what a call of its kind needs beside the request itself; release
// gives back what is held while it goes on.
func (s *server) share(who access.Principal, sv *served) (release func(), p *Problem) {
	held, bounded := map[string]Spending{"run-events": Streams, "export-log": Exports, "export-links": Exports}[sv.id]
	if readings[sv.id] {
		return func() {}, s.spend(who, Readings)
	}
	if !bounded {
		return func() {}, nil
	}
	release, ok := s.Budgets.Hold(who, held)
	if !ok {
		p := problem(http.StatusTooManyRequests, CodeShareSpent, "this caller has its share of "+held.String()+
			" open: close one")
		p.retryAfter(retryOpen)
		return nil, p
	}
	return release, nil
}

// retryOpen is when somebody with too much open may try again.
const retryOpen = 10 * time.Second

type recheckKey struct{}

// stillLetIn tells whether the caller of a long answer would be let in again.
func stillLetIn(ctx context.Context) bool {
	ask, ok := ctx.Value(recheckKey{}).(func() bool)
	return !ok || ask()
}
