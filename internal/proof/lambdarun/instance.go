package lambdarun

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	runtimePath = "/2018-06-01/runtime/"
	initTime    = 10 * time.Second // Lambda's limit for a start
	maxAnswer   = 6 << 20          // Lambda's limit for an answer
	region      = "us-east-1"
)

// instance is one process with a Runtime API server of its own.
type instance struct {
	cmd  *exec.Cmd
	http *http.Server
	done chan struct{} // closed when the process has ended
	once sync.Once

	stalled bool // by Function.Stall, under the function's lock

	ready   chan struct{} // a /next is waiting
	events  chan call
	answers chan result
	failed  chan error // an error during the start
}

// call is an event on its way in.
type call struct {
	id, trace string
	event     []byte
	deadline  time.Time
}

// result is what the program posted for a call.
type result struct {
	id     string
	answer []byte
	err    error
}

// start starts a process and waits for its first /next.
func start(ctx context.Context, o *Options) (*instance, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &instance{
		done: make(chan struct{}), ready: make(chan struct{}, 1), events: make(chan call),
		answers: make(chan result, 1), failed: make(chan error, 1),
	}
	i.http = &http.Server{Handler: i.routes(), ReadHeaderTimeout: initTime}
	go func() { _ = i.http.Serve(l) }() // until close
	i.cmd = exec.Command(o.Program)     //nolint:gosec,noctx // our own bootstrap; it lives until close
	i.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + l.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=" + o.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_REGION=" + region,
		"AWS_DEFAULT_REGION=" + region,
		"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_EC2_METADATA_DISABLED=true", "TZ=:UTC",
		"LANG=en_US.UTF-8",
	}, o.Env...)
	i.cmd.Stdout, i.cmd.Stderr = o.Log, o.Log
	i.cmd.WaitDelay = time.Second
	i.cmd.SysProcAttr = dieWithUs()
	if err := i.cmd.Start(); err != nil {
		_ = i.http.Close()
		return nil, err
	}
	go func() {
		defer close(i.done)
		_ = i.cmd.Wait() // how it ended is of no interest
	}()
	return i, i.await(ctx)
}

// await waits for the end of the start.
func (i *instance) await(ctx context.Context) (err error) {
	t := time.NewTimer(initTime)
	defer t.Stop()
	select {
	case <-i.ready:
		i.freeze()
		return nil
	case err = <-i.failed:
	case <-i.done:
		err = ErrExited
	case <-t.C:
		err = fmt.Errorf("no request for an event within %s", initTime)
	case <-ctx.Done():
		err = ctx.Err()
	}
	i.close()
	return err
}

// routes is the Runtime API.
func (i *instance) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+runtimePath+"invocation/next", i.next)
	mux.HandleFunc("POST "+runtimePath+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		i.posted(w, r, func(b []byte) error { return nil })
	})
	mux.HandleFunc("POST "+runtimePath+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		i.posted(w, r, functionError)
	})
	mux.HandleFunc("POST "+runtimePath+"init/error", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
		w.WriteHeader(http.StatusAccepted)
		i.failed <- functionError(b)
	})
	return mux
}

// next hands an event out, whenever there is one.
func (i *instance) next(w http.ResponseWriter, r *http.Request) {
	select {
	case i.ready <- struct{}{}:
	default:
	}
	var c call
	select {
	case c = <-i.events:
	case <-r.Context().Done():
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", c.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(c.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:"+region+":000000000000:function:local")
	h.Set("Lambda-Runtime-Trace-Id", c.trace)
	_, _ = w.Write(c.event) // a process that is gone is noticed by its end
}

// posted takes an answer in.
func (i *instance) posted(w http.ResponseWriter, r *http.Request, judge func([]byte) error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err == nil && len(b) > maxAnswer {
		http.Error(w, `{"errorType":"Function.ResponseSizeTooLarge"}`, http.StatusRequestEntityTooLarge)
		err = &FunctionError{Type: "Function.ResponseSizeTooLarge"}
	} else {
		w.WriteHeader(http.StatusAccepted)
	}
	if err == nil {
		err = judge(b)
	}
	select {
	case i.answers <- result{id: r.PathValue("id"), answer: b, err: err}:
	default: // nobody waits any more
	}
}

func functionError(b []byte) error {
	e := new(FunctionError)
	if err := json.Unmarshal(b, e); err != nil {
		e.Message = strings.TrimSpace(string(b))
	}
	return e
}

// invoke wakes the process, hands it one event and waits for the answer and
// for its asking for more; then the process is stopped again.
func (i *instance) invoke(ctx context.Context, event []byte, limit time.Duration) ([]byte, error) {
	c := call{
		id: newID(), trace: "Root=1-" + newID()[:8] + "-" + newID()[:24] + ";Sampled=0", event: event,
		deadline: time.Now().Add(limit),
	}
	over := time.NewTimer(limit)
	defer over.Stop()
	end := func(err error) ([]byte, error) {
		i.close()
		return nil, err
	}
	i.thaw()
	select {
	case i.events <- c:
	case <-i.done:
		return end(ErrExited)
	case <-over.C:
		return end(ErrTimeout)
	case <-ctx.Done():
		return end(ctx.Err())
	}
	for {
		select {
		case r := <-i.answers:
			if r.id != c.id {
				continue // of an earlier event
			}
			return i.settled(r)
		case <-i.done:
			return end(ErrExited)
		case <-over.C:
			return end(ErrTimeout)
		case <-ctx.Done():
			return end(ctx.Err())
		}
	}
}

// settled stops the process once it asks for the next event.
func (i *instance) settled(r result) ([]byte, error) {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-i.ready:
		i.freeze()
	case <-i.done:
	case <-t.C: // it is up to something: not to be used again
		i.close()
	}
	var failed *FunctionError
	if errors.As(r.err, &failed) {
		return nil, failed
	}
	return r.answer, r.err
}

func (i *instance) freeze() { _ = i.cmd.Process.Signal(syscall.SIGSTOP) } // gone: noticed by its end
func (i *instance) thaw()   { _ = i.cmd.Process.Signal(syscall.SIGCONT) }
func (i *instance) kill()   { _ = i.cmd.Process.Kill() }

func (i *instance) alive() bool {
	select {
	case <-i.done:
		return false
	default:
		return true
	}
}

// close ends the process, waits for that, and stops serving it.
func (i *instance) close() {
	i.once.Do(func() {
		i.kill()
		<-i.done
		_ = i.http.Close()
	})
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
