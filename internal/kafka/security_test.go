package kafka_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
)

const (
	patience    = 30 * time.Second
	bootTimeout = 500 * time.Millisecond // only for what may heal
)

// ping starts a broker and asks it.
func ping(ctx context.Context, cfg config.Config, opts ...kfake.Opt) error {
	GinkgoHelper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	Expect(err).NotTo(HaveOccurred())
	defer fake.Close()
	cfg.Kafka.Brokers = fake.ListenAddrs()
	return pingAt(ctx, kafka.New(cfg, nil))
}

func pingAt(ctx context.Context, c *kafka.Cluster) error {
	p, err := c.Producer()
	if err != nil {
		return err
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	return p.Ping(ctx)
}

// serving is a broker's side of TLS.
func serving(cert tls.Certificate, change ...func(*tls.Config)) kfake.Opt {
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	for _, c := range change {
		c(conf)
	}
	return kfake.TLS(conf)
}

func withTLS(t config.TLS) config.Config {
	cfg := config.Default()
	t.Enabled = true
	if t.MinVersion == "" {
		t.MinVersion = config.TLS12
	}
	cfg.Kafka.TLS = t
	return cfg
}

func withSASL(s config.SASL) config.Config {
	cfg := config.Default()
	cfg.Kafka.SASL = s
	return cfg
}

// A scenario returns what is configured, and what the broker is.
type scenario func(dir string, ca *authority) (config.Config, []kfake.Opt)

var _ = Describe("Security", func() {
	const user, pass = "ada", "enchantress"

	DescribeTable("F89 F90 a mistake is told at boot by one line with its cause and its remedy", func(ctx SpecContext, s scenario, want ...string) {
		cfg, opts := s(GinkgoT().TempDir(), newAuthority("ca"))
		err := ping(ctx, cfg, opts...)
		Expect(ctx.Err()).NotTo(HaveOccurred())
		var refused *kafka.RefusedError
		Expect(errors.As(err, &refused)).To(BeTrue(), "%v", err)
		for _, w := range want {
			Expect(err).To(MatchError(ContainSubstring(w)))
		}
		Expect(err.Error()).NotTo(ContainSubstring("\n"))
		Expect(err.Error()).NotTo(ContainSubstring(pass))
	},
		Entry("an unknown authority", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			return withTLS(config.TLS{CAFile: newAuthority("other").file(dir)}), []kfake.Opt{serving(ca.issue(nil))}
		}), "signed by an authority that is not trusted", "kafka.tls.ca_file"),
		Entry("the system's authorities only", scenario(func(_ string, ca *authority) (config.Config, []kfake.Opt) {
			return withTLS(config.TLS{}), []kfake.Opt{serving(ca.issue(nil))}
		}), "signed by an authority that is not trusted"),
		Entry("an expired certificate", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			old := ca.issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
			return withTLS(config.TLS{CAFile: ca.file(dir)}), []kfake.Opt{serving(old)}
		}), "has expired", "check the clocks"),
		Entry("another host name", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			named := ca.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"kafka.example"} })
			return withTLS(config.TLS{CAFile: ca.file(dir)}), []kfake.Opt{serving(named)}
		}), `not made for the name "127.0.0.1"`, "kafka.tls.server_name"),
		Entry("TLS to a plaintext port", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			cfg := withTLS(config.TLS{CAFile: ca.file(dir)})
			cfg.Kafka.DialTimeout = 100 * time.Millisecond // the embedded broker waits for more of what it takes for a large request
			return cfg, nil
		}), "does not speak TLS at this address", "kafka.tls.enabled to false"),
		Entry("plaintext to a TLS port", scenario(func(_ string, ca *authority) (config.Config, []kfake.Opt) {
			return config.Default(), []kfake.Opt{serving(ca.issue(nil))}
		}), "not encrypted, as it does on its TLS port: set kafka.tls.enabled to true"),
		Entry("no client certificate where one is required", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			return withTLS(config.TLS{CAFile: ca.file(dir)}), []kfake.Opt{serving(ca.issue(nil), func(c *tls.Config) {
				c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
			})}
		}), "wants a certificate of this process", "kafka.tls.cert_file and kafka.tls.key_file"),
		Entry("a client certificate of another authority", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			cert, key := files(dir, newAuthority("other").issue(nil))
			return withTLS(config.TLS{CAFile: ca.file(dir), CertFile: cert, KeyFile: key}), []kfake.Opt{serving(ca.issue(nil), func(c *tls.Config) {
				c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
			})}
		}), "kafka.tls.cert_file"),
		Entry("an old version of TLS", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			return withTLS(config.TLS{CAFile: ca.file(dir), MinVersion: config.TLS13}), []kfake.Opt{serving(ca.issue(nil), func(c *tls.Config) {
				c.MaxVersion = tls.VersionTLS12
			})}
		}), "speaks no version of TLS from kafka.tls.min_version on"),
		Entry("a wrong password for plain", scenario(func(string, *authority) (config.Config, []kfake.Opt) {
			return withSASL(config.SASL{Mechanism: config.Plain, Username: user, Password: pass}),
				[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", user, "other")}
		}), "check kafka.sasl.username and kafka.sasl.password", "PLAIN"),
		Entry("a wrong password for scram-sha-256", scenario(func(string, *authority) (config.Config, []kfake.Opt) {
			return withSASL(config.SASL{Mechanism: config.ScramSHA256, Username: user, Password: pass}),
				[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", user, "other")}
		}), "SCRAM-SHA-256"),
		Entry("an unknown user", scenario(func(string, *authority) (config.Config, []kfake.Opt) {
			return withSASL(config.SASL{Mechanism: config.ScramSHA512, Username: user, Password: pass}),
				[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "bob", pass)}
		}), "SCRAM-SHA-512"),
		Entry("a mechanism that is not offered", scenario(func(string, *authority) (config.Config, []kfake.Opt) {
			return withSASL(config.SASL{Mechanism: config.OAuthBearer, Token: pass}), []kfake.Opt{kfake.EnableSASL()}
		}), "does not offer the mechanism OAUTHBEARER", "kafka.sasl.mechanism"),
		Entry("no authentication where it is required", scenario(func(string, *authority) (config.Config, []kfake.Opt) {
			return config.Default(), []kfake.Opt{kfake.EnableSASL()}
		}), "hangs up without authentication: set kafka.sasl.mechanism"),
		Entry("a password file that does not exist", scenario(func(dir string, _ *authority) (config.Config, []kfake.Opt) {
			return withSASL(config.SASL{Mechanism: config.Plain, Username: user, PasswordFile: filepath.Join(dir, "none")}),
				[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", user, pass)}
		}), "kafka.sasl.password_file", "no such file"),
	)

	DescribeTable("lets in", func(ctx SpecContext, s scenario) {
		cfg, opts := s(GinkgoT().TempDir(), newAuthority("ca"))
		Expect(ping(ctx, cfg, opts...)).To(Succeed())
	},
		Entry("TLS with an own authority", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			return withTLS(config.TLS{CAFile: ca.file(dir)}), []kfake.Opt{serving(ca.issue(nil))}
		})),
		Entry("TLS 1.3 by server name", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			named := ca.issue(func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"kafka.example"} })
			return withTLS(config.TLS{CAFile: ca.file(dir), ServerName: "kafka.example", MinVersion: config.TLS13}), []kfake.Opt{serving(named)}
		})),
		Entry("mutual TLS", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			cert, key := files(dir, ca.issue(nil))
			return withTLS(config.TLS{CAFile: ca.file(dir), CertFile: cert, KeyFile: key}), []kfake.Opt{serving(ca.issue(nil), func(c *tls.Config) {
				c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
			})}
		})),
		Entry("plain", scenario(func(string, *authority) (config.Config, []kfake.Opt) {
			return withSASL(config.SASL{Mechanism: config.Plain, Username: user, Password: pass}),
				[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", user, pass)}
		})),
		Entry("scram-sha-256 over TLS", scenario(func(dir string, ca *authority) (config.Config, []kfake.Opt) {
			cfg := withTLS(config.TLS{CAFile: ca.file(dir)})
			cfg.Kafka.SASL = config.SASL{Mechanism: config.ScramSHA256, Username: user, Password: pass}
			return cfg, []kfake.Opt{serving(ca.issue(nil)), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", user, pass)}
		})),
		Entry("scram-sha-512 with a password file", scenario(func(dir string, _ *authority) (config.Config, []kfake.Opt) {
			file := filepath.Join(dir, "password")
			Expect(os.WriteFile(file, []byte(pass+"\n"), 0o600)).To(Succeed())
			return withSASL(config.SASL{Mechanism: config.ScramSHA512, Username: user, PasswordFile: file}),
				[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", user, pass)}
		})),
	)

	It("F89 uses certificates that were replaced, and the last ones while there are none", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		first, second := newAuthority("first"), newAuthority("second")
		cfg := withTLS(config.TLS{CAFile: first.file(dir)})
		var serve tls.Certificate
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{
			MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &serve, nil },
		}))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(fake.Close)
		serve = first.issue(nil)
		cfg.Kafka.Brokers = fake.ListenAddrs()
		c := kafka.New(cfg, nil)
		Expect(pingAt(ctx, c)).To(Succeed())

		serve = second.issue(nil)
		Expect(pingAt(ctx, c)).To(MatchError(ContainSubstring("not trusted")))
		second.file(dir) // replaces the file
		p, err := c.Producer()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(p.Close)
		Expect(os.Remove(cfg.Kafka.TLS.CAFile)).To(Succeed())
		Expect(p.Ping(ctx)).To(Succeed(), "with what was read last")
	}, NodeTimeout(patience))

	It("F90 authenticates again with a secret that was replaced, without a gap", func(ctx SpecContext) {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", user, "first"),
			kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "1000"}))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(fake.Close)
		asked := fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SASLAuthenticate}, Count: -1, Observe: true})
		file := filepath.Join(GinkgoT().TempDir(), "password")
		Expect(os.WriteFile(file, []byte("first"), 0o600)).To(Succeed())
		cfg := withSASL(config.SASL{Mechanism: config.ScramSHA256, Username: user, PasswordFile: file})
		cfg.Kafka.Brokers = fake.ListenAddrs()
		p, err := kafka.New(cfg, nil).Producer()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(p.Close)
		Expect(p.Ping(ctx)).To(Succeed())
		before := asked.Hits()

		cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.SASL(scram.Auth{User: user, Pass: "first"}.AsSha256Mechanism()))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(cl.Close)
		altered, err := kadm.NewClient(cl).AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{
			{User: user, Mechanism: kadm.ScramSha256, Iterations: 4096, Password: "second"},
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(altered.Error()).To(Succeed())
		Expect(os.WriteFile(file, []byte("second"), 0o600)).To(Succeed())
		since := asked.Hits()
		Eventually(ctx, func() int {
			Expect(p.Ping(ctx)).To(Succeed(), "no gap")
			return asked.Hits() - since
		}).Should(BeNumerically(">=", before), "it has authenticated again")
	}, NodeTimeout(patience))

	It("F90 reads the broker's refusal", func(ctx SpecContext) {
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", user, "other"))
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(fake.Close)
		fake.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) { // as Apache Kafka does
			resp, _ := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
			resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
			return resp, nil, true
		})
		cfg := withSASL(config.SASL{Mechanism: config.Plain, Username: user, Password: pass})
		cfg.Kafka.Brokers = fake.ListenAddrs()
		p, err := kafka.New(cfg, nil).Producer()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(p.Close)
		Expect(p.Ping(ctx)).To(MatchError(ContainSubstring("the broker refuses this process: check kafka.sasl.username")), "at once")
	}, NodeTimeout(patience))

	It("offers the mechanism of the program instead of the configured one", func(ctx SpecContext) {
		asked := false
		cfg := config.Default()
		fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL())
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(fake.Close)
		cfg.Kafka.Brokers = fake.ListenAddrs()
		own := oauth.Oauth(func(context.Context) (oauth.Auth, error) {
			asked = true
			return oauth.Auth{Token: "t"}, nil
		})
		err = pingAt(ctx, kafka.New(cfg, nil).WithSASL(own))
		Expect(err).To(MatchError(ContainSubstring("OAUTHBEARER")), "the embedded broker has no such mechanism, and says so")
		Expect(asked).To(BeFalse())
		Expect(strings.Count(err.Error(), "\n")).To(BeZero())
	}, NodeTimeout(patience))
})
