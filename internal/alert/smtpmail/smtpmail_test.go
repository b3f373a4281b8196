package smtpmail

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// server speaks enough of SMTP (RFC 5321) to take mails, and keeps what it is told.
type server struct {
	listener net.Listener
	refuse   string // answer to RCPT; "" = it is taken

	mu       sync.Mutex
	conns    []net.Conn
	commands []string
	mails    []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{listener: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // ends the loop
		s.mu.Lock()
		for _, c := range s.conns {
			_ = c.Close() // a client that was refused may have kept it
		}
		s.mu.Unlock()
		wg.Wait()
	})
	return s
}

func (s *server) serve(c net.Conn) {
	defer func() { _ = c.Close() }() // whoever is left knows
	in := bufio.NewScanner(c)
	say := func(text string) { _, _ = fmt.Fprint(c, text+"\r\n") }
	say("220 mail.example.com ready")
	for in.Scan() {
		line := in.Text()
		s.mu.Lock()
		s.commands = append(s.commands, line)
		s.mu.Unlock()
		switch word, _, _ := strings.Cut(strings.ToUpper(line), " "); word {
		case "EHLO":
			say("250-mail.example.com\r\n250 AUTH PLAIN LOGIN")
		case "AUTH":
			say("235 welcome")
		case "RCPT":
			if s.refuse != "" {
				say(s.refuse)
				continue
			}
			say("250 ok")
		case "DATA":
			say("354 go on")
			var mail strings.Builder
			for in.Scan() && in.Text() != "." {
				mail.WriteString(in.Text() + "\n")
			}
			s.mu.Lock()
			s.mails = append(s.mails, mail.String())
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

func (s *server) mailer(t *testing.T, change func(*Config)) *Mailer {
	t.Helper()
	addr, ok := s.listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal("no TCP address")
	}
	c := Config{
		Host: "127.0.0.1", Port: addr.Port, TLS: Plain, From: "Lockstep <lockstep@example.com>",
		Now: func() time.Time { return time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC) },
	}
	change(&c)
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var message = alert.Mail{
	ID: "msg_1", To: []string{"ops@example.com", "boss@example.com"}, Subject: "[Lockstep] Größe: 4 of 9",
	Text: "What:  4 of 9\n.\nend\n",
}

func TestSend(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	m := s.mailer(t, func(c *Config) { c.User, c.Password = "robot", secret.NewText("pa55") })
	if err := m.Send(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	if len(s.mails) != 1 {
		t.Fatalf("%d mails", len(s.mails))
	}
	for _, want := range []string{
		"Message-ID: <msg_1@lockstep>", "Date: Tue, 31 Mar 2026 12:00:00 +0000", `From: "Lockstep" <lockstep@example.com>`,
		"Subject: =?UTF-8?q?[Lockstep]_Gr=C3=B6=C3=9Fe:_4_of_9?=", "What:", "\n..\n",
	} {
		if !strings.Contains(s.mails[0], want) {
			t.Errorf("the mail has no %q:\n%s", want, s.mails[0])
		}
	}
	said := strings.Join(s.commands, "\n")
	for _, want := range []string{
		"AUTH PLAIN", "MAIL FROM:<lockstep@example.com>", "RCPT TO:<ops@example.com>", "RCPT TO:<boss@example.com>",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it was not told %q:\n%s", want, said)
		}
	}
}

// TestRefusals pass on a number, and never the server's words or an address.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.refuse = "550 ops@example.com is unknown here"
	err := s.mailer(t, func(*Config) {}).Send(t.Context(), message)
	if fault.CodeOf(err) != "mail_refused" || !strings.Contains(message550(err), "550") ||
		strings.Contains(message550(err), "ops@") {
		t.Errorf("%v", err)
	}
	gone := newServer(t)
	m := gone.mailer(t, func(*Config) {})
	_ = gone.listener.Close() // nobody is there any more
	if err := m.Send(t.Context(), message); fault.CodeOf(err) != "mail_unreachable" {
		t.Errorf("%v", err)
	}
	// STARTTLS is demanded where the server has none: nothing is sent in the clear.
	err = s.mailer(t, func(c *Config) { c.TLS = StartTLS }).Send(t.Context(), message)
	if !fault.Is(err, fault.Unavailable) || len(s.mails) != 0 {
		t.Errorf("%v, %d mails", err, len(s.mails))
	}
	if err := s.mailer(t, func(*Config) {}).Send(t.Context(), alert.Mail{
		To: []string{"nobody"},
	}); fault.CodeOf(err) != "mail_address" {
		t.Errorf("%v", err)
	}
	for _, c := range []Config{
		{Host: "h", Port: 25, TLS: Plain, From: "nobody"}, {Port: 25, TLS: Plain, From: "a@example.com"},
	} {
		if _, err := New(c); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// message550 is what may be shown of an error.
func message550(err error) string {
	r := new(fault.Error)
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // Send answers it unwrapped
		r = f
	}
	return r.Message
}
