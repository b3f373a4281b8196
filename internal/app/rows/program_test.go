package rows

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/api"
	"github.com/lockstep-crm/lockstep/internal/app"
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/proof/lambdarun/storages"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// atOnce is how many tests run side by side unless -parallel says otherwise:
// they wait for the program more than they work.
const atOnce = "6"

// sockets is how many apps there may be at once on a program.
const sockets = 24

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	for _, p := range programs {
		p.close()
	}
	os.Exit(code)
}

// programs are those under test, by storage; each starts when it is first asked for.
var programs = map[string]*program{storages.Embedded: {}, storages.Dynamo: {}}

// program is one that runs, with sockets for apps that it may call.
type program struct {
	once   sync.Once
	failed error

	url, key string
	tls      *httptest.Server // the same by TLS
	dropped  dropped
	mails    mails
	look     func(ctx context.Context) error // for what is wrong, and tell, as the program does every minute
	ahead    atomic.Int64                    // nanoseconds that the clock is ahead
	free     chan *socket
	alone    sync.RWMutex // held for writing by tests that move the clock

	closers []func()
}

// socket is an address at which apps answer, one after the other.
type socket struct {
	url string
	app atomic.Pointer[http.Handler]
}

func (s *socket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if app := s.app.Load(); app != nil {
		(*app).ServeHTTP(w, r)
		return
	}
	http.Error(w, "nobody is here", http.StatusServiceUnavailable)
}

// mails is a mail server that keeps what it is sent.
type mails struct {
	mu  sync.Mutex
	all []alert.Mail
}

// Send implements alert.Mailer.
func (x *mails) Send(_ context.Context, m alert.Mail) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all = append(x.all, m)
	return nil
}

// about answers the mails so far that hold a text, in their order.
func (x *mails) about(text string) (out []alert.Mail) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, m := range x.all {
		if strings.Contains(m.Text, text) {
			out = append(out, m)
		}
	}
	return out
}

// dropped is what the program's log says of work that nobody does any more: the
// reasons, by connection.
type dropped struct{ why sync.Map }

// Enabled implements slog.Handler.
func (d *dropped) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (d *dropped) Handle(_ context.Context, r slog.Record) error { //nolint:gocritic // the interface passes it so
	if r.Message != "chunk dropped" {
		return nil
	}
	said := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		said[a.Key] = a.Value.String()
		return true
	})
	d.why.Store(said["connection"], said["code"])
	return nil
}

// WithAttrs implements slog.Handler.
func (d *dropped) WithAttrs([]slog.Attr) slog.Handler { return d }

// WithGroup implements slog.Handler.
func (d *dropped) WithGroup(string) slog.Handler { return d }

func (p *program) now() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) }

// start starts it on a storage, once.
func (p *program) start(on string) error {
	p.once.Do(func() {
		if p.failed = p.open(context.Background(), on); p.failed != nil {
			p.close()
		}
	})
	return p.failed
}

const adminKey = "the-operator's-own-key"

func (p *program) open(ctx context.Context, on string) error {
	o := app.Options{
		Now: p.now, AdminKey: secret.NewText(adminKey), Version: "rows", Log: slog.New(&p.dropped), Mailer: &p.mails,
	}
	p.free = make(chan *socket, sockets)
	for range sockets {
		s := new(socket)
		server := httptest.NewServer(s)
		p.closers = append(p.closers, server.Close)
		s.url = server.URL
		o.AllowHosts = append(o.AllowHosts, strings.TrimPrefix(s.url, "http://"))
		p.free <- s
	}
	if on == storages.Embedded {
		folder, err := os.MkdirTemp("", "rows")
		if err != nil {
			return err
		}
		p.closers = append(p.closers, func() { _ = os.RemoveAll(folder) }) // a temporary folder
		o.DataDir = folder
	} else {
		s, stop, err := storages.Start(ctx)
		if err != nil {
			return err
		}
		p.closers = append(p.closers, stop)
		o.Remote = &app.Remote{Storage: s.Cloud.Storage, SDK: s.Cloud.SDK}
	}
	a, err := app.Open(ctx, o)
	if err != nil {
		return err
	}
	p.look = func(ctx context.Context) error { return a.Alerts.Round(ctx, api.DefaultWorkspace) }
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	server := httptest.NewServer(a.Handler())
	p.tls = httptest.NewTLSServer(a.Handler())
	p.url, p.key = server.URL, adminKey
	p.closers = append(p.closers, func() {
		for _, s := range []*httptest.Server{server, p.tls} {
			s.CloseClientConnections()
			s.Close()
		}
		cancel()
		if err := errors.Join(<-ended, a.Close()); err != nil {
			fmt.Fprintln(os.Stderr, "the program did not end well:", err)
		}
	})
	return nil
}

func (p *program) close() {
	for i := len(p.closers) - 1; i >= 0; i-- {
		p.closers[i]()
	}
	p.closers = nil
}

// row runs a test on either storage, beside others.
func row(t *testing.T, test func(w *world)) {
	t.Helper()
	onEach(t, false, test)
}

// rowAlone is row for a test that moves the clock.
func rowAlone(t *testing.T, test func(w *world)) {
	t.Helper()
	onEach(t, true, test)
}

func onEach(t *testing.T, alone bool, test func(w *world)) {
	t.Helper()
	t.Parallel()
	names := []string{storages.Embedded, storages.Dynamo}
	if only := os.Getenv("STORE"); only != "" {
		if programs[only] == nil {
			t.Fatalf("STORE=%s is none of %v", only, names)
		}
		names = []string{only}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := programs[name]
			err := p.start(name)
			awslocal.Missing(t, err)
			if err != nil {
				t.Fatal(err)
			}
			w := &world{T: t, p: p, alone: alone, began: time.Now()}
			if alone {
				p.alone.Lock()
				t.Cleanup(p.alone.Unlock)
			} else {
				p.alone.RLock()
				t.Cleanup(p.alone.RUnlock)
			}
			w.open()
			test(w)
		})
	}
}
