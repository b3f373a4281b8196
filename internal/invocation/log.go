package invocation

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Calls follows the invocations of one process. Its zero value is ready.
type Calls struct {
	now atomic.Pointer[names]
}

// names are how an invocation is found again.
type names struct{ request, trace string }

// Logger is the function's log: lines to standard output in the format and
// from the level that Lambda is configured for, with requestId and traceId.
func (c *Calls) Logger() *slog.Logger { return slog.New(c.LogHandler(lambdacontext.NewLogHandler())) }

// LogHandler adds requestId and traceId to lines on their way to next.
func (c *Calls) LogHandler(next slog.Handler) slog.Handler { return &logHandler{next: next, calls: c} }

// Handler makes the function that lambda.Start takes of a handler as the
// library knows them: func(context.Context, T) (R, error).
func (c *Calls) Handler(handle any) lambda.Handler {
	return &following{calls: c, next: lambda.NewHandler(handle)}
}

// following is a handler whose invocations are known to the log.
type following struct {
	calls *Calls
	next  lambda.Handler
}

// Invoke implements lambda.Handler.
func (f *following) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	n := names{trace: traceOf(ctx)}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		n.request = lc.AwsRequestID
	}
	f.calls.now.Store(&n)
	defer f.calls.now.Store(nil)
	return f.next.Invoke(ctx, payload)
}

// Trace is the trace of the invocation under way; "" without one.
func (c *Calls) Trace() string {
	if n := c.now.Load(); n != nil {
		return n.trace
	}
	return ""
}

// TraceHeader is the X-Ray trace header that the runtime put into ctx; "" without one.
func TraceHeader(ctx context.Context) string {
	header, _ := ctx.Value("x-amzn-trace-id").(string)
	return header
}

// traceOf is the root of the trace header.
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
func traceOf(ctx context.Context) string {
	for part := range strings.SplitSeq(TraceHeader(ctx), ";") {
		if root, ok := strings.CutPrefix(strings.TrimSpace(part), "Root="); ok {
			return root
		}
	}
	return ""
}

type originsKey struct{}

// WithOrigins returns a context whose log lines name the traces that led here:
// those of the invocations which queued the work.
func WithOrigins(ctx context.Context, traces []string) context.Context {
	return context.WithValue(ctx, originsKey{}, traces)
}

// logHandler adds the names of the invocation under way.
type logHandler struct {
	next  slog.Handler
	calls *Calls
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	r = ownKeys(r)
	if traces, _ := ctx.Value(originsKey{}).([]string); len(traces) > 0 {
		r.AddAttrs(slog.Any("origins", traces))
	}
	n := h.calls.now.Load()
	if n == nil {
		return h.next.Handle(ctx, r)
	}
	if n.trace != "" {
		r.AddAttrs(slog.String("traceId", n.trace)) //nolint:sloglint // as Lambda spells it
	}
	// The library adds the request by itself where it sees the context.
	if _, ok := lambdacontext.FromContext(ctx); !ok && n.request != "" {
		r.AddAttrs(slog.String("requestId", n.request)) //nolint:sloglint // as Lambda spells it
	}
	return h.next.Handle(ctx, r)
}

// ownKeys returns r with attributes that Lambda's format has other uses for
// renamed: a JSON line must not hold a key twice.
func ownKeys(r slog.Record) slog.Record {
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "message" {
			a.Key = "message_id"
		}
		out.AddAttrs(a)
		return true
	})
	return out
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{next: h.next.WithAttrs(attrs), calls: h.calls}
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{next: h.next.WithGroup(name), calls: h.calls}
}

// Reserve returns a context that ends d before ctx does, so that what is left
// can still be handed back. Without a deadline it is ctx.
func Reserve(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-d))
}

// Left is how long ctx goes on; otherwise when it has no deadline.
func Left(ctx context.Context, now time.Time, otherwise time.Duration) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return otherwise
	}
	return end.Sub(now)
}

var (
	_ lambda.Handler = (*following)(nil)
	_ slog.Handler   = (*logHandler)(nil)
)
