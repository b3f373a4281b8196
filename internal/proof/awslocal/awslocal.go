package awslocal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/lockstep-crm/lockstep/internal/proof/freeport"
)

// ErrMissing says that a stand-in is not installed.
var ErrMissing = errors.New("a stand-in for AWS is not installed: run make standins")

const (
	// Region is the region that the stand-ins pretend to be in.
	Region = "us-east-1"

	startWait = 30 * time.Second // on a busy machine; a second is usual
	stopWait  = 5 * time.Second
)

// guard runs a program until it ends, or until the guard's own input closes:
// when the starter closes it, or dies.
const guard = `exec 3<&0
"$@" 3<&- & p=$!
{ cat <&3; kill $p; } >/dev/null 2>&1 &
exec 3<&-
wait $p`

// fauxqs starts the server by its parts, because the package's own program
// listens on every interface. Its check of message bodies takes characters
// beyond the basic plane for broken ones, which SQS allows; that is mended, and
// a version in which it works already says so.
const fauxqs = `
const [folder, port] = process.argv.slice(1);
const load = name => import("file://" + folder + "/" + name);
const { INVALID_MESSAGE_BODY_CHAR: invalid } = await load("sqs/sqsTypes.js");
if (!invalid.test("\u{1F642}")) throw new Error("fauxqs takes every character now: take the mend out of awslocal");
invalid.test = s => /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u.test(s);
const { buildApp } = await load("app.js");
await buildApp({ logger: false }).listen({ port: +port, host: "127.0.0.1" });
`

// Server is a running stand-in. Make it with StartDynamoDB or StartSQS.
type Server struct {
	Endpoint string // "http://127.0.0.1:<port>"

	port  *freeport.Port
	cmd   *exec.Cmd
	input io.Closer
	said  *output
	done  chan struct{} // closed when the program has ended
	once  sync.Once
}

// StartDynamoDB starts dynoxide with an empty database in memory. ErrMissing
// when it is not installed. The caller closes the server.
func StartDynamoDB(ctx context.Context) (*Server, error) {
	path, err := dynoxide()
	if err != nil {
		return nil, err
	}
	return start(ctx, func(port string) ([]string, []string) {
		return []string{path, "--host", "127.0.0.1", "--port", port}, nil
	})
}

// StartSQS starts fauxqs with no queues. ErrMissing when it, or Node, is not
// installed. The caller closes the server.
func StartSQS(ctx context.Context) (*Server, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	script, err := installed("fauxqs", "dist", "app.js")
	if err != nil {
		return nil, err
	}
	return start(ctx, func(port string) ([]string, []string) {
		return []string{node, "--input-type=module", "-e", fauxqs, filepath.Dir(script), port},
			[]string{"FAUXQS_LOGGER=false"}
	})
}

// moving starts local-aws-sqs by its one function.
const moving = `
const [folder, port] = process.argv.slice(1);
const { createSqsServer } = await import("file://" + folder + "/index.js");
await createSqsServer({ port: +port, hostname: "127.0.0.1" });
`

// StartMovingSQS starts local-aws-sqs with no queues: an SQS whose message move
// tasks work in FIFO queues too, and whose order and receive counts do not (a
// message that is shown again at once is counted twice), so that it is good for
// redrives only. ErrMissing when it, or Node, is not installed. The caller
// closes the server.
func StartMovingSQS(ctx context.Context) (*Server, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	script, err := installed("local-aws-sqs", "dist", "index.js")
	if err != nil {
		return nil, err
	}
	return start(ctx, func(port string) ([]string, []string) {
		return []string{node, "--input-type=module", "-e", moving, filepath.Dir(script), port}, nil
	})
}

// StartElasticMQ starts ElasticMQ with no queues: an SQS that has message move
// tasks and hands out ten messages of a group, on Java. ErrMissing when it
// (scripts/standins/elasticmq/fetch) or Java is not installed. The caller closes
// the server.
func StartElasticMQ(ctx context.Context) (*Server, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMissing, err)
	}
	root, err := module()
	if err != nil {
		return nil, err
	}
	jars := filepath.Join(root, ".tools", "elasticmq")
	if _, err := os.Stat(jars); err != nil {
		return nil, fmt.Errorf("%w: ElasticMQ: run scripts/standins/elasticmq/fetch", ErrMissing)
	}
	return start(ctx, func(port string) ([]string, []string) {
		return []string{
			java, "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Drest-stats.enabled=false", "-Drest-sqs.bind-hostname=127.0.0.1",
			"-Drest-sqs.bind-port=" + port,
			"-Dnode-address.host=127.0.0.1", "-Dnode-address.port=" + port, "-cp", filepath.Join(jars, "*"),
			"org.elasticmq.server.Main",
		}, nil
	})
}

// StartMinistack starts ministack, which stands in for CloudFormation, Lambda,
// API Gateway, Scheduler and everything else that a stack is made of. Its own
// names end in ".localhost:<port>". ErrMissing when it is not installed
// (scripts/verify.d/requirements.txt). The caller closes the server.
func StartMinistack(ctx context.Context) (*Server, error) {
	path, err := exec.LookPath("ministack")
	if err != nil {
		root, rerr := module()
		if rerr != nil {
			return nil, rerr
		}
		path = filepath.Join(root, ".tools", "venv", "bin", "ministack")
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: ministack: run make verify once", ErrMissing)
		}
	}
	return start(ctx, func(port string) ([]string, []string) {
		return []string{path}, []string{
			"GATEWAY_PORT=" + port, "BIND_HOST=127.0.0.1", "MINISTACK_HOST=localhost", "AWS_ENDPOINT_URL=http://127.0.0.1:" +
				port, "LOG_LEVEL=ERROR",
		}
	})
}

// dynoxide is the program for this machine, or what LOCKSTEP_DYNOXIDE names.
func dynoxide() (string, error) {
	if path := os.Getenv("LOCKSTEP_DYNOXIDE"); path != "" {
		return path, nil
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("%w: dynoxide is pinned for linux/amd64; name another build in LOCKSTEP_DYNOXIDE", ErrMissing)
	}
	path, err := installed("@dynoxide", "linux-x64", "dynoxide")
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err == nil && info.Mode()&0o111 == 0 {
		err = os.Chmod(path, 0o755) //nolint:gosec // a program must be executable; npm forgets that at times
	}
	return path, err
}

// installed finds a file of an npm package in scripts/standins.
func installed(parts ...string) (string, error) {
	root, err := module()
	if err != nil {
		return "", err
	}
	path := filepath.Join(append([]string{root, "scripts", "standins", "node_modules"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		return "", ErrMissing
	}
	return path, nil
}

// module is the root of this module, found from any folder of it.
func module() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "scripts", "standins", "package.json")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", ErrMissing
		}
		folder = parent
	}
}

// start starts the command on a port that is nobody else's.
func start(ctx context.Context, command func(port string) (args, env []string)) (*Server, error) {
	port, err := freeport.Take(ctx)
	if err != nil {
		return nil, err
	}
	args, env := command(strconv.Itoa(port.Number))
	s, err := launch(args, env)
	if err != nil {
		port.Release()
		return nil, err
	}
	s.port, s.Endpoint = port, "http://"+port.Address()
	if err := s.await(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func launch(args, env []string) (*Server, error) {
	s := &Server{said: new(output), done: make(chan struct{})}
	s.cmd = exec.Command("sh", append([]string{ //nolint:gosec,noctx // our own arguments; it lives until Close
		"-c", guard, "standin",
	}, args...)...)
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	s.cmd.WaitDelay = stopWait
	input, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.input = input
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // how it ended is of no interest once it was asked to
	}()
	return s, nil
}

// await asks until the stand-in answers anything.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint, http.NoBody)
		if err != nil {
			return err
		}
		if answer, err := http.DefaultClient.Do(request); err == nil {
			_ = answer.Body.Close()
			return nil
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("the stand-in ended at once: %s", s.said)
		case <-ctx.Done():
			return fmt.Errorf("the stand-in does not answer: %w: %s", ctx.Err(), s.said)
		}
	}
}

// Close stops the stand-in and waits for its end. It may be called again.
func (s *Server) Close() {
	s.once.Do(func() {
		_ = s.input.Close()
		<-s.done
		s.port.Release()
	})
}

// Client is the HTTP client of Config; a test that puts faults on the wire has
// it behind them.
func Client() aws.HTTPClient { return patient{awshttp.NewBuildableClient()} }

// Config is the SDK's configuration for a client of this stand-in, with
// credentials that nobody checks.
func (s *Server) Config() aws.Config {
	return aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(s.Endpoint),
		HTTPClient:   Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local", Source: "awslocal"}, nil
		}),
	}
}

// patient is the SDK's HTTP client for servers that answer within microseconds.
// The SDK closes a request's body as soon as the answer begins; net/http may
// just be looking whether the body has ended, takes the closed body for a
// failure and drops the connection, with the rest of a long answer. A service
// at some distance never answers that early.
type patient struct{ client *awshttp.BuildableClient }

// Do implements aws.HTTPClient. It sends a body of its own.
func (p patient) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return p.client.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	own := r.Clone(r.Context())
	own.Body = io.NopCloser(bytes.NewReader(body))
	own.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return p.client.Do(own)
}

// output keeps the beginning of what a program says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if room := 4<<10 - o.b.Len(); room > 0 {
		o.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// String implements fmt.Stringer.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(o.b.String())
}
