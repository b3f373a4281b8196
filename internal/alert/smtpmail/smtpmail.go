// Package smtpmail sends mail through a server that speaks SMTP.
package smtpmail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/lockstep-crm/lockstep/internal/alert"
	"github.com/lockstep-crm/lockstep/internal/fault"
	"github.com/lockstep-crm/lockstep/internal/secret"
)

// TLS says how the way to the server is kept secret.
type TLS string

// The ways.
const (
	StartTLS TLS = "starttls" // begun in the clear, and gone on only under TLS
	Implicit TLS = "tls"      // from the first byte
	Plain    TLS = "off"      // for a server on this machine
)

// Ways lists all.
var Ways = []TLS{StartTLS, Implicit, Plain}

// timeout bounds the sending of one mail.
const timeout = 20 * time.Second

// Config says where mail goes, and from whom.
type Config struct {
	Host     string
	Port     int
	TLS      TLS
	From     string // address, or name and address
	User     string // "" = the server asks for no login
	Password secret.Text
	Now      func() time.Time
}

// Mailer sends mail. Safe for concurrent use: each mail has a connection of its own.
type Mailer struct{ c Config }

// New returns a mailer. Invalid for an address that is none; it asks the
// server nothing.
func New(c Config) (*Mailer, error) {
	m := &Mailer{c}
	if err := mail.NewMsg().From(c.From); err != nil {
		return nil, fault.New("smtpmail: new", fault.Invalid, "invalid_config",
			"the sender is not an address such as lockstep@example.com")
	}
	_, err := m.client()
	return m, err
}

func (m *Mailer) client() (*mail.Client, error) {
	options := []mail.Option{mail.WithPort(m.c.Port), mail.WithTimeout(timeout)}
	switch m.c.TLS {
	case Implicit:
		options = append(options, mail.WithSSL())
	case Plain:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	case StartTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if m.c.User != "" {
		auth := mail.SMTPAuthAutoDiscover
		if m.c.TLS == Plain {
			auth = mail.SMTPAuthPlainNoEnc // of this machine: it goes through no wire
		}
		options = append(options, mail.WithSMTPAuth(auth), mail.WithUsername(m.c.User),
			mail.WithPassword(m.c.Password.Reveal()))
	}
	c, err := mail.NewClient(m.c.Host, options...)
	if err != nil {
		return nil, fault.New("smtpmail: new", fault.Invalid, "invalid_config",
			"the mail server cannot be used: name a host and a port")
	}
	return c, nil
}

// Send implements alert.Mailer. Nothing of what the server says is passed on: it
// may name the receiver.
func (m *Mailer) Send(ctx context.Context, x alert.Mail) error {
	const op = "smtpmail: send"
	msg := mail.NewMsg()
	if err := errors.Join(msg.From(m.c.From), msg.To(x.To...)); err != nil {
		return fault.New(op, fault.Invalid, "mail_address", "the address of a user is not one: correct user.email of the key")
	}
	msg.SetMessageIDWithValue(x.ID + "@lockstep")
	msg.SetDateWithValue(m.c.Now())
	msg.Subject(x.Subject)
	msg.SetBodyString(mail.TypeTextPlain, x.Text)
	c, err := m.client()
	if err != nil {
		return err
	}
	if err := c.DialAndSendWithContext(ctx, msg); err != nil {
		return failure(op, err)
	}
	return nil
}

// failure says what went wrong without the server's words.
func failure(op string, err error) error {
	var refused *mail.SendError
	if errors.As(err, &refused) && refused.ErrorCode() != 0 {
		return &fault.Error{
			Op: op, Kind: fault.Unavailable, Code: "mail_refused", Message: fmt.Sprintf("the mail server answered %d",
				refused.ErrorCode()), Err: err,
		}
	}
	return &fault.Error{
		Op: op, Kind: fault.Unavailable, Code: "mail_unreachable",
		Message: "the mail server cannot be reached, or does not let us in", Err: err,
	}
}

var _ alert.Mailer = (*Mailer)(nil)
