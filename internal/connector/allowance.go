package connector

import "context"

type allowanceKey struct{}

// WithAllowance has every call to an app under ctx asked for first: what ask
// returns is the call's failure, and nothing is sent. It is how a caller of the
// API spends no more of an account's quota than its share.
func WithAllowance(ctx context.Context, ask func() error) context.Context {
	return context.WithValue(ctx, allowanceKey{}, ask)
}

// Allowed asks for one call under ctx.
func Allowed(ctx context.Context) error {
	if ask, ok := ctx.Value(allowanceKey{}).(func() error); ok {
		return ask()
	}
	return nil
}
