package fakekit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Knob is one call of the HTTP surface under /_fake/. The same table routes
// the calls and describes them in /_fake/openapi.json.
type Knob struct {
	Method  string
	Path    string // "/_fake/records/{object}"
	Summary string
	Query   []Param
	In, Out any // zero values of the body and the answer, for the description; nil = none
	Lines   bool
	// Handle does it. An error is 400, or 404 when it wraps ErrNotFound.
	Handle func(w http.ResponseWriter, r *http.Request, body []byte) (any, error)
}

// Param is a query parameter of a knob.
type Param struct {
	Name, Type, Doc string
}

// ErrNotFound says that a knob names a record or object that is not there.
var ErrNotFound = errors.New("not found")

// Duration is a time.Duration that reads and writes as text: "1.5s".
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("a duration is a text such as \"1.5s\": %q", b)
	}
	*d = Duration(v)
	return nil
}

// Knobber is an app with knobs of its own.
type Knobber interface {
	Knobs() []Knob
}

// NewKnob makes a knob whose body is an In, checked strictly: unknown keys and
// trailing data are refused.
func NewKnob[In, Out any](method, path, summary string, h func(r *http.Request, in In) (Out, error)) Knob {
	var in In
	var out Out
	k := Knob{Method: method, Path: path, Summary: summary, Out: out}
	if _, none := any(in).(None); !none {
		k.In = in
	}
	k.Handle = func(_ http.ResponseWriter, r *http.Request, body []byte) (any, error) {
		var in In
		if k.In == nil {
			if len(bytes.TrimSpace(body)) > 0 && string(bytes.TrimSpace(body)) != "{}" {
				return nil, errors.New("this call takes no body")
			}
			return h(r, in)
		}
		if len(bytes.TrimSpace(body)) == 0 {
			body = []byte("{}")
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return nil, errors.New("body: data after the JSON object")
		}
		return h(r, in)
	}
	return k
}

// None is the body of a knob that takes none.
type None struct{}

// Done is the answer of a knob that has nothing else to say.
type Done struct {
	OK bool `json:"ok"`
}

func (c *Core) addKnobs() {
	c.knobs = append(c.faultKnobs(), c.stateKnobs()...)
	c.knobs = append(c.knobs, c.recordKnobs()...)
	c.knobs = append(c.knobs, c.hookKnobs()...)
	c.knobs = append(c.knobs, c.conductKnobs()...)
	if k, ok := c.app.(Knobber); ok {
		c.knobs = append(c.knobs, k.Knobs()...)
	}
	c.knobs = append(c.knobs, Knob{
		Method: "GET", Path: "/_fake/openapi.json", Summary: "This description.",
		Handle: func(http.ResponseWriter, *http.Request, []byte) (any, error) { return c.OpenAPI(), nil },
	})
	c.knobMux = http.NewServeMux()
	for _, k := range c.knobs {
		c.knobMux.HandleFunc(k.Method+" "+k.Path, func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			out, err := k.Handle(w, r, body.Bytes())
			switch {
			case errors.Is(err, ErrNotFound):
				writeKnob(w, http.StatusNotFound, map[string]string{"error": err.Error()})
			case err != nil:
				writeKnob(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			case out != nil:
				writeKnob(w, http.StatusOK, out)
			}
		})
	}
}

func (c *Core) serveKnob(w http.ResponseWriter, r *http.Request) {
	if _, pattern := c.knobMux.Handler(r); pattern != "" {
		c.knobMux.ServeHTTP(w, r)
		return
	}
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	c.knobMux.ServeHTTP(rec, r)
	if allow := rec.header.Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
		writeKnob(w, http.StatusMethodNotAllowed, map[string]string{"error": "method not allowed here: use " + allow})
		return
	}
	writeKnob(w, http.StatusNotFound, map[string]string{"error": "no such knob; GET /_fake/openapi.json lists them"})
}

func writeKnob(w http.ResponseWriter, status int, v any) {
	writeJSON(w, "", status, v)
}

type seedIn struct {
	People int `json:"people" doc:"how many people to add"`
	Slot   int `json:"slot" doc:"0 holds people 0 to n-1, 1 holds people 0.4n to 1.4n-1"`
}

type failIn struct {
	Endpoint   string `json:"endpoint" doc:"method, path prefix or both: 'POST /crm/v3/objects'; empty = any call"`
	Status     int    `json:"status" doc:"status to answer, 200 to 599"`
	Times      int    `json:"times" doc:"how many calls; 0 = one"`
	RetryAfter int    `json:"retry_after" doc:"seconds for the Retry-After header; 0 = none"`
	Body       string `json:"body" doc:"answered instead of the app's own error body"`
	After      bool   `json:"after" doc:"let the effect land first"`
}

type delayIn struct {
	Endpoint string   `json:"endpoint" doc:"as for fail"`
	Delay    Duration `json:"delay" doc:"how long"`
	Times    int      `json:"times" doc:"how many calls; 0 = one"`
	After    bool     `json:"after" doc:"let the effect land first"`
}

type dropIn struct {
	Endpoint string `json:"endpoint" doc:"as for fail"`
	Times    int    `json:"times" doc:"how many calls; 0 = one"`
}

type answerIn struct {
	Kind     FaultKind `json:"kind" doc:"malformed, wrong_type, huge or slow"`
	Endpoint string    `json:"endpoint" doc:"as for fail"`
	Times    int       `json:"times" doc:"how many calls; 0 = one"`
	Bytes    int       `json:"bytes" doc:"size of a huge answer; 0 = 40 MiB"`
	Delay    Duration  `json:"delay" doc:"pause in the middle of a slow answer; 0 = an hour"`
}

type faultOut struct {
	Kind     FaultKind `json:"kind"`
	Endpoint string    `json:"endpoint"`
	Times    int       `json:"times" doc:"calls left"`
	Status   int       `json:"status,omitempty"`
}

func (c *Core) faultKnobs() []Knob {
	inject := func(f Fault) (Done, error) { return Done{true}, c.Inject(f) }
	return []Knob{
		NewKnob("POST", "/_fake/fail", "Answer the next calls with a status.",
			func(_ *http.Request, in failIn) (Done, error) {
				return inject(Fault{
					Kind: FaultFail, Endpoint: in.Endpoint, Status: in.Status, Times: in.Times, Body: in.Body, After: in.After,
					RetryAfter: time.Duration(in.RetryAfter) * time.Second,
				})
			}),
		NewKnob("POST", "/_fake/delay", "Delay the next calls.", func(_ *http.Request, in delayIn) (Done, error) {
			return inject(Fault{
				Kind: FaultDelay, Endpoint: in.Endpoint, Times: in.Times, Delay: time.Duration(in.Delay),
				After: in.After,
			})
		}),
		NewKnob("POST", "/_fake/lose_reply", "Let the next writes land and drop the connection.",
			func(_ *http.Request, in dropIn) (Done, error) {
				return inject(Fault{Kind: FaultLoseReply, Endpoint: in.Endpoint, Times: in.Times})
			}),
		NewKnob("POST", "/_fake/drop", "Drop the connection of the next calls before anything happens.",
			func(_ *http.Request, in dropIn) (Done, error) {
				return inject(Fault{Kind: FaultDrop, Endpoint: in.Endpoint, Times: in.Times})
			}),
		NewKnob("POST", "/_fake/answer", "Spoil the answers of the next calls, after their effect.",
			func(_ *http.Request, in answerIn) (Done, error) {
				switch in.Kind {
				case FaultMalformed, FaultWrongType, FaultHuge, FaultSlow:
				default:
					return Done{}, errors.New("kind must be one of malformed, wrong_type, huge, slow")
				}
				return inject(Fault{
					Kind: in.Kind, Endpoint: in.Endpoint, Times: in.Times, Bytes: in.Bytes, Delay: time.Duration(in.Delay),
				})
			}),
		NewKnob("GET", "/_fake/faults", "List the faults that are waiting.", func(*http.Request, None) ([]faultOut, error) {
			out := []faultOut{}
			for _, f := range c.Faults() {
				out = append(out, faultOut{f.Kind, f.Endpoint, f.Times, f.Status})
			}
			return out, nil
		}),
		NewKnob("DELETE", "/_fake/faults", "Forget all faults.", func(*http.Request, None) (Done, error) {
			c.ClearFaults()
			return Done{true}, nil
		}),
	}
}

type latencyIn struct {
	Latency Duration `json:"latency" doc:"added to every answer"`
}

type lagIn struct {
	Lag    Duration `json:"lag" doc:"until a change shows in searches"`
	Jitter bool     `json:"jitter" doc:"each change takes a time of its own, up to lag"`
}

type limitsIn struct {
	Calls        int      `json:"calls" doc:"calls per window; 0 = no limit"`
	Window       Duration `json:"window"`
	SearchCalls  int      `json:"search_calls" doc:"searches per search_window; 0 = they count as calls"`
	SearchWindow Duration `json:"search_window"`
	Daily        int      `json:"daily" doc:"calls per day, or what the app counts instead; 0 = no limit"`
	RetryAfter   Duration `json:"retry_after" doc:"Retry-After of refused calls; 0 = what the app does"`
}

type clockIn struct {
	Offset Duration `json:"offset" doc:"how far the app's clock is off, either way"`
}

type tokensIn struct {
	Rotate bool `json:"rotate_refresh" doc:"each refresh gives a new refresh token and kills the old one"`
}

type countOut struct {
	Tokens int `json:"tokens" doc:"how many access tokens it hit"`
}

func (c *Core) stateKnobs() []Knob {
	return []Knob{
		NewKnob("POST", "/_fake/seed", "Add people.", func(_ *http.Request, in seedIn) (Done, error) {
			if in.People < 1 || in.People > 1_000_000 || in.Slot < 0 || in.Slot > 1 {
				return Done{}, errors.New("people must be between 1 and 1000000, slot 0 or 1")
			}
			c.Seed(in.People, in.Slot)
			return Done{true}, nil
		}),
		NewKnob("PUT", "/_fake/latency", "Set the latency of every answer.",
			func(_ *http.Request, in latencyIn) (Done, error) {
				c.SetLatency(time.Duration(in.Latency))
				return Done{true}, nil
			}),
		NewKnob("PUT", "/_fake/lag", "Set the lag of the search index.", func(_ *http.Request, in lagIn) (Done, error) {
			if in.Lag < 0 {
				return Done{}, errors.New("lag cannot be negative")
			}
			c.SetLag(time.Duration(in.Lag), in.Jitter)
			return Done{true}, nil
		}),
		NewKnob("PUT", "/_fake/limits", "Set the limits on calls and forget what was used.",
			func(_ *http.Request, in limitsIn) (Done, error) {
				if in.Calls < 0 || in.SearchCalls < 0 || in.Daily < 0 || in.Calls > 0 && in.Window <= 0 ||
					in.SearchCalls > 0 && in.SearchWindow <= 0 {
					return Done{}, errors.New("limits cannot be negative, and calls need a window")
				}
				c.SetLimits(Limits{
					in.Calls, time.Duration(in.Window), in.SearchCalls, time.Duration(in.SearchWindow),
					in.Daily, time.Duration(in.RetryAfter),
				})
				return Done{true}, nil
			}),
		NewKnob("POST", "/_fake/clock", "Set the app's clock.", func(_ *http.Request, in clockIn) (Done, error) {
			c.SetClock(time.Duration(in.Offset))
			return Done{true}, nil
		}),
		NewKnob("PUT", "/_fake/tokens", "Set how refresh tokens behave.", func(_ *http.Request, in tokensIn) (Done, error) {
			c.RotateRefresh(in.Rotate)
			return Done{true}, nil
		}),
		NewKnob("POST", "/_fake/tokens/expire", "Let all access tokens expire now.",
			func(*http.Request, None) (countOut, error) {
				return countOut{c.ExpireTokens()}, nil
			}),
		NewKnob("POST", "/_fake/tokens/revoke", "Revoke all grants and static tokens.",
			func(*http.Request, None) (countOut, error) {
				return countOut{c.RevokeTokens()}, nil
			}),
		NewKnob("POST", "/_fake/tokens/allow", "Take the revocation of static tokens back.",
			func(*http.Request, None) (Done, error) {
				c.AllowTokens()
				return Done{true}, nil
			}),
		NewKnob("GET", "/_fake/requests", "Count the app's calls by endpoint.", func(*http.Request, None) (Requests, error) {
			return c.Requests(), nil
		}),
		NewKnob("POST", "/_fake/requests/reset", "Count anew.", func(*http.Request, None) (Done, error) {
			c.ResetRequests()
			return Done{true}, nil
		}),
	}
}

type hooksIn struct {
	URL       string   `json:"url" doc:"receiver; empty = send nothing"`
	Secret    string   `json:"secret" doc:"what the app signs with"`
	Events    []string `json:"events" doc:"kinds to send; empty = all"`
	Drop      float64  `json:"drop" doc:"rate of lost events, 0 to 1"`
	Duplicate float64  `json:"duplicate" doc:"rate of events sent twice, 0 to 1"`
	Reorder   float64  `json:"reorder" doc:"rate of events out of order, 0 to 1"`
	Even      bool     `json:"even" doc:"spread the rates evenly instead of leaving them to chance"`
	Delay     Duration `json:"delay" doc:"each event waits a random time up to this"`
}

type deliveryOut struct {
	ID         int64          `json:"id"`
	Status     DeliveryStatus `json:"status"`
	Events     int            `json:"events"`
	Attempts   int            `json:"attempts"`
	HTTPStatus int            `json:"http_status" doc:"of the last attempt; 0 = no answer"`
	Error      string         `json:"error,omitempty"`
	Due        time.Time      `json:"due"`
}

type deliveriesOut struct {
	Deliveries []deliveryOut `json:"deliveries" doc:"ended ones oldest first, then waiting ones"`
	Dropped    int           `json:"dropped" doc:"events lost on purpose"`
}

func (c *Core) hookKnobs() []Knob {
	return []Knob{
		NewKnob("PUT", "/_fake/webhooks", "Set where webhooks go, and how badly.",
			func(_ *http.Request, in hooksIn) (Done, error) {
				for _, rate := range []float64{in.Drop, in.Duplicate, in.Reorder} {
					if rate < 0 || rate > 1 {
						return Done{}, errors.New("drop, duplicate and reorder are rates between 0 and 1")
					}
				}
				if in.URL != "" && !strings.HasPrefix(in.URL, "http://") && !strings.HasPrefix(in.URL, "https://") {
					return Done{}, errors.New("url must be an http or https address")
				}
				c.SetWebhooks(Webhooks{
					in.URL, in.Secret, in.Events, in.Drop, in.Duplicate, in.Reorder, in.Even, time.Duration(in.Delay),
				})
				return Done{true}, nil
			}),
		NewKnob("GET", "/_fake/webhooks", "Show the webhook settings, without the secret.",
			func(*http.Request, None) (hooksIn, error) {
				w := c.Webhooks()
				return hooksIn{w.URL, "", w.Events, w.Drop, w.Duplicate, w.Reorder, w.Even, Duration(w.Delay)}, nil
			}),
		NewKnob("GET", "/_fake/deliveries", "List deliveries and what became of them.",
			func(*http.Request, None) (deliveriesOut, error) {
				all, dropped := c.Deliveries()
				out := deliveriesOut{Deliveries: []deliveryOut{}, Dropped: dropped}
				for _, d := range all {
					out.Deliveries = append(out.Deliveries, deliveryOut{
						d.ID, d.Status, len(d.Events), d.Attempt, d.HTTPStatus, d.Error, d.Due,
					})
				}
				return out, nil
			}),
	}
}
