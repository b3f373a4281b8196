package rest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-crm/lockstep/internal/connector"
	"github.com/lockstep-crm/lockstep/internal/fault"
)

// Meaning is what a status or a word of an app means to us.
type Meaning struct {
	Kind    fault.Kind
	Code    string
	Wait    time.Duration // where the app names none
	Guessed bool          // nobody knows when the limit ends
	Text    string        // for an admin; "" = that the app says the word
}

// Problem is one thing that an app finds wrong.
type Problem struct {
	// Words are the app's own, from the most telling one: the first that the table
	// has counts, and the last is the one to show. A part behind "@" is ours and tells
	// cases of one word apart.
	Words  []string
	Fields []string // at fault, in the app's naming, checked by the app's connector
	Text   string   // in place of a meaning's text
}

// Errors says what an app's refusals mean.
type Errors struct {
	Name     string // of the app, in texts
	Statuses map[int]Meaning
	Words    map[string]Meaning
	// Plain says that a word which refuses something means that nothing was written, with
	// a status of 500 too.
	Plain bool
	// Read finds the problems in a body, the one that decides first; none where the
	// status says all there is.
	Read func(status int, body []byte) []Problem
}

// usual is what statuses usually mean.
func usual(status int) Meaning {
	switch {
	case status < 400:
		return Meaning{Kind: fault.Unavailable, Code: connector.CodeMalformed}
	case status == http.StatusUnauthorized:
		return Meaning{Kind: fault.Denied, Code: connector.CodeReauthorize}
	case status == http.StatusForbidden:
		return Meaning{Kind: fault.Denied, Code: connector.CodePermission}
	case status == http.StatusNotFound:
		return Meaning{Kind: fault.NotFound}
	case status == http.StatusConflict:
		return Meaning{Kind: fault.Conflict}
	case status == http.StatusGone:
		return Meaning{Kind: fault.Unsupported, Code: connector.CodeVersion}
	case status == http.StatusTooManyRequests:
		return Meaning{Kind: fault.Throttled, Code: connector.CodeRate}
	case status == http.StatusRequestTimeout || status >= 500:
		return Meaning{Kind: fault.Unavailable}
	}
	return Meaning{Kind: fault.Invalid, Code: connector.CodeRejected}
}

// Classify turns an answer with status 300 or above into an error.
func (e Errors) Classify(r Request, a Answer) *fault.Error {
	var problems []Problem
	if e.Read != nil {
		problems = e.Read(a.Status, a.Body)
	}
	f := e.of(r.Op, problems)
	known := f.Kind != fault.Other
	if !known {
		m, ok := e.Statuses[a.Status]
		if !ok {
			m = usual(a.Status)
		}
		text := m.Text
		if len(problems) > 0 && problems[0].Text != "" {
			text = problems[0].Text
		}
		if text == "" {
			text = e.Name + " answered with status " + strconv.Itoa(a.Status)
		}
		f = &fault.Error{Op: r.Op, Kind: m.Kind, Code: m.Code, RetryAfter: m.Wait, Guessed: m.Guessed, Message: text}
	}
	if a.Wait > 0 && (f.Kind == fault.Throttled || f.Kind == fault.Unavailable) {
		f.RetryAfter, f.Guessed = a.Wait, false
	}
	// What comes with 408 or 5xx does not tell whether the write went through, unless it is
	// how the app refuses things.
	said := known && e.Plain && (f.Kind == fault.Invalid || f.Kind == fault.Conflict || f.Kind == fault.NotFound)
	f.MayHaveLanded = r.Write && !said && (a.Status < 400 || a.Status == http.StatusRequestTimeout || a.Status >= 500)
	return f
}

// Row classifies the refusal of one row of a call that went through. A row that is
// to be created cannot be the one that is missing.
func (e Errors) Row(op string, kind connector.Op, problems []Problem) *fault.Error {
	f := e.of(op, problems)
	if f.Kind == fault.Other {
		f.Kind, f.Code, f.Message = fault.Invalid, connector.CodeRejected, e.Name+" refuses the record"
		if len(problems) > 0 && len(problems[0].Words) > 0 {
			if last := problems[0].Words[len(problems[0].Words)-1]; wordPattern.MatchString(last) {
				f.Message += ": " + last
			}
		}
	}
	if f.Kind == fault.NotFound && (kind == connector.Create || kind == connector.Upsert) {
		f.Kind, f.Code = fault.Invalid, connector.CodeValue
	}
	return f
}

// wordPattern is what a word must be to be shown: it may be anything that a field holds.
var wordPattern = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,79}$`)

// Known returns the error that the app's words stand for; nil when it knows none of them.
func (e Errors) Known(op string, problems []Problem) *fault.Error {
	if f := e.of(op, problems); f.Kind != fault.Other {
		return f
	}
	return nil
}

// of classifies by words. The kind is Other when none is known.
func (e Errors) of(op string, problems []Problem) *fault.Error {
	f := &fault.Error{Op: op}
	for i, p := range problems {
		word, m := e.meaning(p.Words)
		if i == 0 && m.Kind != fault.Other {
			f.Kind, f.Code, f.RetryAfter, f.Guessed, f.Message = m.Kind, m.Code, m.Wait, m.Guessed, m.Text
			if p.Text != "" {
				f.Message = p.Text
			}
			if f.Message == "" {
				word, _, _ = strings.Cut(word, "@")
				f.Message = e.Name + " says " + word
			}
		}
		code := m.Code
		if code == "" {
			code = connector.CodeValue
		}
		for _, name := range p.Fields {
			if !slices.ContainsFunc(f.Fields, func(o fault.FieldFault) bool { return o.Field == name }) {
				f.Fields = append(f.Fields, fault.FieldFault{Field: name, Code: code})
			}
		}
		if i == 0 && len(p.Fields) > 0 {
			f.Field = p.Fields[0]
		}
	}
	if f.Message != "" && f.Field != "" {
		f.Message += " about " + f.Field
	}
	return f
}

func (e Errors) meaning(words []string) (string, Meaning) {
	for _, w := range words {
		if m, ok := e.Words[w]; ok {
			return w, m
		}
	}
	return "", Meaning{}
}

// Unreachable classifies a call without a complete answer.
func Unreachable(ctx context.Context, r Request, name string, err error) error {
	e := &fault.Error{
		Op: r.Op, Kind: fault.Unavailable, Message: "no complete answer from " + name, MayHaveLanded: r.Write,
	}
	// A *url.Error prints the address with its query, which may hold personal data.
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		e.MayHaveLanded = false
	}
	e.Err = err
	if ctx.Err() != nil {
		e.Err = ctx.Err()
	}
	return e
}

// Malformed is an answer that makes no sense.
func Malformed(r Request, why string) error {
	return &fault.Error{
		Op: r.Op, Kind: fault.Unavailable, Code: connector.CodeMalformed, Message: why, MayHaveLanded: r.Write,
	}
}

// longestWait bounds what an app may ask for.
const longestWait = 24 * time.Hour

// wait reads Retry-After, seconds or a date, or else the app's own header, whose
// seconds count from the answer.
func wait(h http.Header, reset string) time.Duration {
	v := h.Get("Retry-After")
	if v == "" && reset != "" {
		v = h.Get(reset)
	}
	s, err := strconv.ParseFloat(v, 64)
	if err == nil {
		if !(s > 0) {
			return 0
		}
		return time.Duration(min(s, longestWait.Seconds()) * float64(time.Second))
	}
	at, atErr := http.ParseTime(v)
	now, nowErr := http.ParseTime(h.Get("Date"))
	if atErr != nil || nowErr != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), longestWait)
}
