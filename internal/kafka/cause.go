package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
)

// RefusedError is a refusal with its remedy: a mistake in the configuration of security, here or at the broker.
type RefusedError struct {
	// Remedy says what is wrong in the user's words, and what to do.
	Remedy string
	// Err is what the client or the broker said.
	Err error
}

// Error returns the remedy and the cause, in one line.
func (e *RefusedError) Error() string { return e.Remedy + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

// explain says which mistake an error of a connection comes from. It returns the error itself where it knows none, and whether no waiting
// heals it.
func (c *Cluster) explain(err error) (final bool, explained error) {
	if remedy := c.remedy(err); remedy != "" {
		return !mayHeal(err), &RefusedError{Remedy: remedy, Err: err}
	}
	var shake *handshakeError
	if errors.As(err, &shake) && errors.Is(err, context.DeadlineExceeded) {
		return false, &RefusedError{Remedy: noTLS, Err: err}
	}
	if m := c.mechanism(); m != nil && errors.Is(err, io.EOF) { // some brokers say no by hanging up, as they do when they stop
		return false, &RefusedError{Remedy: "the broker closes the connection while it authenticates: " + credentials(m), Err: err}
	}
	return false, err
}

// mayHeal reports whether an error may pass by itself: a broker, or what stands before it, that starts or stops closes connections too, and
// a secret's file or command may be late.
func mayHeal(err error) bool {
	return errors.Is(err, io.EOF) || strings.Contains(err.Error(), "connection reset") || errors.As(err, new(*secretError))
}

const noTLS = "the broker does not speak TLS at this address: use its TLS port, or set kafka.tls.enabled to false"

func (c *Cluster) remedy(err error) string {
	if why := ofCertificate(err); why != "" {
		return why
	}
	if why := c.ofAlert(err); why != "" {
		return why
	}
	if why := c.ofSASL(err); why != "" {
		return why
	}
	encrypted := c.cfg.Kafka.TLS.Enabled
	var plaintext tls.RecordHeaderError
	var shake *handshakeError
	var closed *kgo.ErrFirstReadEOF
	switch {
	case errors.As(err, &plaintext),
		errors.As(err, &shake) && (errors.Is(err, io.EOF) || strings.Contains(err.Error(), "connection reset")):
		return noTLS
	case errors.As(err, &closed) && strings.Contains(err.Error(), "is TLS missing") && !encrypted:
		return "the broker hangs up on a connection that is not encrypted, as it does on its TLS port: set kafka.tls.enabled to true"
	case errors.As(err, &closed) && strings.Contains(err.Error(), "is TLS missing"):
		return "the broker hangs up on the encrypted connection: it may want a certificate of this process (kafka.tls.cert_file)"
	case errors.As(err, &closed) && c.mechanism() == nil:
		return "the broker hangs up without authentication: set kafka.sasl.mechanism"
	case !encrypted && strings.Contains(err.Error(), "tls alert record"):
		return "the broker speaks TLS at this address: set kafka.tls.enabled to true, or use its plaintext port"
	case !encrypted && strings.Contains(err.Error(), "invalid large response size"): // the client has no type for it
		return "the broker does not answer in Kafka's protocol: it may speak TLS at this address (kafka.tls.enabled), or be something else"
	}
	return ""
}

// ofCertificate looks at the broker's certificate.
func ofCertificate(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return "the broker's certificate is signed by an authority that is not trusted: name the right one in kafka.tls.ca_file"
	case errors.As(err, &name):
		return fmt.Sprintf("the broker's certificate is not made for the name %q: dial it by a name in the certificate, "+
			"or set kafka.tls.server_name", name.Host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the broker's certificate has expired or is not valid yet: renew it, and check the clocks"
	case errors.As(err, &invalid):
		return "the broker's certificate is not valid for a server: renew it"
	}
	return ""
}

// ofAlert reads what the broker said in the handshake (RFC 8446, 6). crypto/tls has no type for it.
func (c *Cluster) ofAlert(err error) string {
	said := err.Error()
	const wants = "the broker wants a certificate of this process that it trusts: "
	for _, alert := range []struct{ text, remedy string }{
		{"tls: certificate required", wants + "set kafka.tls.cert_file and kafka.tls.key_file"},
		{"tls: bad certificate", wants + "check kafka.tls.cert_file"},
		{"tls: unknown certificate authority", wants + "check who signed kafka.tls.cert_file"},
		{"tls: expired certificate", "the certificate of this process has expired: renew kafka.tls.cert_file"},
		{"protocol version", "the broker speaks no version of TLS from kafka.tls.min_version on: lower it, or update the broker"},
	} {
		if strings.Contains(said, alert.text) && strings.Contains(said, "tls:") {
			return alert.remedy
		}
	}
	return ""
}

func (c *Cluster) ofSASL(err error) string {
	m := c.mechanism()
	switch {
	case errors.As(err, new(*secretError)):
		return "cannot authenticate"
	case m != nil && errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Sprintf("the broker does not offer the mechanism %s: set kafka.sasl.mechanism to one that it does", m.Name())
	case m != nil && errors.Is(err, kerr.SaslAuthenticationFailed):
		return "the broker refuses this process: " + credentials(m)
	case errors.Is(err, kerr.IllegalSaslState):
		return "the broker does not authenticate at this address: set kafka.sasl.mechanism to none, or use its SASL port"
	}
	return ""
}

func credentials(m sasl.Mechanism) string {
	what := "kafka.sasl.username and kafka.sasl.password"
	switch m.Name() {
	case "OAUTHBEARER":
		what = "the token"
	case "AWS_MSK_IAM":
		what = "the access key and its rights"
	}
	return fmt.Sprintf("check %s, for the mechanism %s", what, m.Name())
}

// Passes reports whether an error is of a connection or of a broker that is about to come or go, and not about what was asked.
func Passes(err error) bool {
	var closed *kgo.ErrFirstReadEOF
	var network net.Error
	return errors.As(err, &closed) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) ||
		kerr.IsRetriable(err)
}

// Patiently asks again what failed because a broker went away in that moment: there are others, and it comes back. It gives up when
// ctx ends, with what was said last.
func Patiently(ctx context.Context, ask func() error) error {
	const first, most = 100 * time.Millisecond, 2 * time.Second
	for pause := first; ; pause = min(2*pause, most) {
		err := ask()
		if err == nil || !Passes(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}
