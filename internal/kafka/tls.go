package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/config"
)

// certificates makes the TLS configuration of a connection. Files are read for each, so that what was replaced is used; what cannot be read
// leaves in use what was read last.
type certificates struct {
	cfg    config.TLS
	logger kgo.Logger // may be nil

	mu     sync.Mutex
	last   *tls.Config
	failed string // why the files could not be read the last time
}

func newCertificates(t config.TLS, logger kgo.Logger) (*certificates, error) {
	c := &certificates{cfg: t, logger: logger}
	var err error
	c.last, err = readTLS(t)
	return c, err
}

func (c *certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh, err := readTLS(c.cfg)
	switch {
	case err == nil:
		c.last, c.failed = fresh, ""
	case err.Error() != c.failed:
		c.failed = err.Error()
		if c.logger != nil {
			c.logger.Log(kgo.LogLevelWarn, "certificates cannot be read again: those that were read last stay in use", "err", err)
		}
	}
	return c.last.Clone()
}

func readTLS(t config.TLS) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.MinVersion == config.TLS13 {
		conf.MinVersion = tls.VersionTLS13
	}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("kafka.tls.ca_file: %s holds no PEM certificate", t.CAFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("kafka.tls.cert_file and key_file: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// secureDial connects and shakes hands.
func secureDial(c *certificates, timeout time.Duration) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err //nolint:wrapcheck // it names the address
		}
		conf := c.current()
		if conf.ServerName == "" {
			if conf.ServerName, _, err = net.SplitHostPort(address); err != nil {
				conf.ServerName = address
			}
		}
		// Half of the time: who does not speak TLS may say nothing at all, and that is to be told within it.
		ctx, cancel = context.WithTimeout(ctx, timeout/2)
		defer cancel()
		secure := tls.Client(conn, conf)
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // the handshake's error counts
			return nil, &handshakeError{err}
		}
		return secure, nil
	}
}

// handshakeError tells a failed handshake from a failed connection.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "TLS handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }
