package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/lockstep-crm/lockstep/internal/crm"
	"github.com/lockstep-crm/lockstep/internal/pause"
	"github.com/lockstep-crm/lockstep/internal/proof/awslocal"
	"github.com/lockstep-crm/lockstep/internal/queue"
	"github.com/lockstep-crm/lockstep/internal/queue/sqsqueue"
)

// Stack says how the synthesised template is deployed to ministack: as it is,
// with these exceptions:
//
//   - the budget is left out, which ministack does not know;
//   - the code is built for this machine;
//   - the context's allowHosts, which are the fakes' ports, are filled in now.
type Stack struct {
	Cloud      string // the folder that synth wrote, with Lockstep.template.json
	Programs   string // folder with <function>/bootstrap for this machine
	AllowHosts []string
}

// stackTime bounds the creation of the stack.
const stackTime = time.Minute

// deployed is a running Stack.
type deployed struct {
	server  *awslocal.Server
	http    *http.Client
	queue   *sqsqueue.Queue
	outputs map[string]string
	created int // resources
	left    int // of the template's, left out
	key     string
	fired   atomic.Int64
	hurry   sync.Once
	stops   closers
}

// Open starts ministack and creates the stack. The caller closes it.
func (o Stack) Open(ctx context.Context) (_ Deployment, err error) {
	d := &deployed{http: httpClient(time.Minute), key: "local-0123456789abcdef"}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if d.server, err = awslocal.StartMinistack(ctx); err != nil {
		return nil, err
	}
	d.stops.add(d.server.Close)
	if err := d.upload(ctx, o); err != nil {
		return nil, fmt.Errorf("upload the code: %w", err)
	}
	if err := d.parameters(ctx); err != nil {
		return nil, fmt.Errorf("put the parameters: %w", err)
	}
	if err := d.create(ctx, o); err != nil {
		return nil, fmt.Errorf("create the stack: %w", err)
	}
	d.queue, err = sqsqueue.New(sqs.NewFromConfig(d.server.Config()), d.outputs["ChangeQueueUrl"],
		d.outputs["DeadLetterQueueUrl"], sqsqueue.Options{})
	return d, err
}

// call makes one request of a service, whose signature nobody checks.
func (d *deployed) call(ctx context.Context, service, method, path, kind string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, d.server.Endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=local/20261121/"+awslocal.Region+"/"+service+
		"/aws4_request, SignedHeaders=host, Signature=none")
	r.Header.Set("Content-Type", kind)
	resp, err := d.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s answered %d: %s", method, path, resp.StatusCode, b)
	}
	if f := resp.Header.Get("X-Amz-Function-Error"); f != "" && err == nil {
		err = fmt.Errorf("the function failed: %s: %s", f, b)
	}
	return b, err
}

// upload puts the code where the template looks for it.
func (d *deployed) upload(ctx context.Context, o Stack) error {
	text, err := os.ReadFile(filepath.Join(o.Cloud, "Lockstep.assets.json"))
	if err != nil {
		return fmt.Errorf("%w; run make synth", err)
	}
	var assets struct {
		Files map[string]struct {
			Name         string `json:"displayName"`
			Destinations map[string]struct {
				Bucket string `json:"bucketName"`
				Key    string `json:"objectKey"`
			} `json:"destinations"`
		} `json:"files"`
	}
	if err := json.Unmarshal(text, &assets); err != nil {
		return err
	}
	for _, f := range assets.Files {
		name, code := strings.CutSuffix(f.Name, "/Code")
		if !code {
			continue // the template itself
		}
		packed, err := pack(filepath.Join(o.Programs, strings.ToLower(name), "bootstrap"))
		if err != nil {
			return err
		}
		for _, to := range f.Destinations {
			bucket := "/" + strings.ReplaceAll(to.Bucket, "${AWS::AccountId}", "000000000000")
			if _, err := d.call(ctx, "s3", http.MethodPut, bucket, "", nil); err != nil {
				return err
			}
			if _, err := d.call(ctx, "s3", http.MethodPut, bucket+"/"+to.Key, "application/zip", packed); err != nil {
				return err
			}
		}
	}
	return nil
}

// pack zips a bootstrap.
func pack(path string) ([]byte, error) {
	program, err := os.ReadFile(path) //nolint:gosec // one of our own builds
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	head := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	head.SetMode(0o755)
	w, err := z.CreateHeader(head)
	if err == nil {
		_, err = w.Write(program)
	}
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}

// parameters puts what an account has before the stack: the mark of cdk
// bootstrap, and the operator's key.
func (d *deployed) parameters(ctx context.Context) error {
	client := ssm.NewFromConfig(d.server.Config())
	_, err := client.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String("/cdk-bootstrap/hnb659fds/version"), Type: types.ParameterTypeString, Value: aws.String("21"),
	})
	if err != nil {
		return err
	}
	_, err = client.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String("/lockstep/dev/admin-key"), Type: types.ParameterTypeSecureString, Value: aws.String(d.key),
	})
	return err
}

// create creates the stack and waits for its end.
func (d *deployed) create(ctx context.Context, o Stack) error {
	template, err := d.template(o)
	if err != nil {
		return err
	}
	ask := func(ctx context.Context, action string, more url.Values) ([]byte, error) {
		more.Set("Action", action)
		more.Set("Version", "2010-05-15")
		more.Set("StackName", "Lockstep")
		return d.call(ctx, "cloudformation", http.MethodPost, "/", "application/x-www-form-urlencoded", []byte(more.Encode()))
	}
	if _, err := ask(ctx, "CreateStack", url.Values{"TemplateBody": {template}}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stackTime)
	defer cancel()
	for {
		b, err := ask(ctx, "DescribeStacks", url.Values{})
		if err != nil {
			return err
		}
		var answer struct {
			Status  string `xml:"DescribeStacksResult>Stacks>member>StackStatus"`
			Reason  string `xml:"DescribeStacksResult>Stacks>member>StackStatusReason"`
			Outputs []struct {
				Key   string `xml:"OutputKey"`
				Value string `xml:"OutputValue"`
			} `xml:"DescribeStacksResult>Stacks>member>Outputs>member"`
		}
		if err := xml.Unmarshal(b, &answer); err != nil {
			return err
		}
		switch answer.Status {
		case "CREATE_COMPLETE":
			d.outputs = map[string]string{}
			for _, o := range answer.Outputs {
				d.outputs[o.Key] = o.Value
			}
			return nil
		case "CREATE_IN_PROGRESS":
		default:
			return fmt.Errorf("the stack is %s: %s", answer.Status, answer.Reason)
		}
		if err := pause.For(ctx, lookTime); err != nil {
			return err
		}
	}
}

// template is what synth wrote, without the budget and with the fakes' ports.
func (d *deployed) template(o Stack) (string, error) {
	text, err := os.ReadFile(filepath.Join(o.Cloud, "Lockstep.template.json"))
	if err != nil {
		return "", fmt.Errorf("%w; run make synth", err)
	}
	var t map[string]any
	if err := json.Unmarshal(text, &t); err != nil {
		return "", err
	}
	resources, _ := t["Resources"].(map[string]any)
	for name, r := range resources {
		r, _ := r.(map[string]any)
		properties, _ := r["Properties"].(map[string]any)
		switch r["Type"] {
		case "AWS::Budgets::Budget":
			delete(resources, name)
			d.left++
			continue
		case "AWS::Lambda::Function":
			environment, _ := properties["Environment"].(map[string]any)
			variables, _ := environment["Variables"].(map[string]any)
			if variables == nil {
				return "", fmt.Errorf("the function %s has no variables", name)
			}
			variables["LOCKSTEP_ALLOW_HOSTS"] = strings.Join(o.AllowHosts, ",")
		}
		d.created++
	}
	b, err := json.Marshal(t)
	return string(b), err
}

// Address implements Deployment.
func (d *deployed) Address() (url, key string) { return d.outputs["ApiUrl"], d.key }

// Start implements Deployment: the mapping of the queue and the schedule of the
// tick, both from the template, are at work already.
func (*deployed) Start(context.Context) {}

// Fire implements Deployment: what the schedule of the sync would send in some
// minutes is sent now. From the first firing on the tick comes every second,
// beside its own schedule; the first sync has gone by that alone.
func (d *deployed) Fire(ctx context.Context, con crm.ConnectionID, sync crm.SyncID) error {
	d.hurry.Do(func() {
		d.stops.add(background(ctx, func(ctx context.Context) {
			for pause.For(ctx, tickEvery) == nil {
				_, _ = d.invoke(ctx, []byte(`{"tick":true}`)) // the next one does it again
			}
		}))
	})
	client := scheduler.NewFromConfig(d.server.Config())
	all, err := client.ListSchedules(ctx, &scheduler.ListSchedulesInput{GroupName: aws.String(d.outputs["ScheduleGroup"])})
	if err != nil {
		return err
	}
	for _, s := range all.Schedules {
		got, err := client.GetSchedule(ctx, &scheduler.GetScheduleInput{
			GroupName: aws.String(d.outputs["ScheduleGroup"]), Name: s.Name,
		})
		if err != nil {
			return err
		}
		input := aws.ToString(got.Target.Input)
		var f struct{ Connection, Sync string }
		if json.Unmarshal([]byte(input), &f) == nil && f.Connection == string(con) && f.Sync == string(sync) {
			d.fired.Add(1)
			_, err = d.invoke(ctx, []byte(input))
			return err
		}
	}
	return fmt.Errorf("%s has no schedule", sync)
}

// invoke calls the pull function.
func (d *deployed) invoke(ctx context.Context, event []byte) ([]byte, error) {
	return d.call(ctx, "lambda", http.MethodPost, "/2015-03-31/functions/lockstep-dev-pull/invocations",
		"application/json", event)
}

// Depth implements Deployment.
func (d *deployed) Depth(ctx context.Context) (queue.Depth, error) { return d.queue.Depth(ctx) }

// Busy implements Deployment.
func (*deployed) Busy() bool { return false }

// Disturb implements Deployment: ministack's instances are its own.
func (*deployed) Disturb(context.Context, Trouble) {}

// Troubled implements Deployment.
func (*deployed) Troubled() bool { return false }

// Report implements Deployment.
func (d *deployed) Report() ([]string, []Figure) {
	return []string{fmt.Sprintf("%d firings", d.fired.Load())}, []Figure{
		figure("resources of the template that the stack has", ">= 60", d.created, d.created >= 60),
		figure("resources left out: the budget", "<= 1", d.left, d.left <= 1),
	}
}

// Close implements Deployment.
func (d *deployed) Close() { d.stops.Close() }

var _ Deployment = (*deployed)(nil)
