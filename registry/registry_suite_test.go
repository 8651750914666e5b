package registry_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"

	"github.com/karafgo/karafgo/registry"
	"github.com/karafgo/karafgo/testkit"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(
		"github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	testkit.Suite(t)
	RegisterFailHandler(Fail)
	RunSpecs(t, "registry")
}

// server is a schema registry, served on a port of its own or, where time is virtual, without a network.
type server struct {
	*srfake.Registry

	mu       sync.Mutex
	requests []string
	answer   http.HandlerFunc // instead of the registry's; nil leaves it to the registry
	cut      bool             // connections fail
}

var errCut = errors.New("connection refused")

// serve starts a registry on a port and returns codecs for it.
func serve(opts ...sr.ClientOpt) (*server, *registry.Registry) {
	s := &server{Registry: srfake.New()}
	DeferCleanup(s.Close)
	s.Intercept(s.intercept)
	return s, registry.New(s.client(opts...))
}

func (s *server) client(opts ...sr.ClientOpt) *sr.Client {
	transport := &http.Transport{}
	DeferCleanup(transport.CloseIdleConnections)
	client, err := sr.NewClient(append([]sr.ClientOpt{sr.URLs(s.URL()), sr.HTTPClient(&http.Client{Transport: transport})}, opts...)...)
	Expect(err).NotTo(HaveOccurred())
	return client
}

// memory returns a registry without a network.
func memory() (*server, *registry.Registry) {
	s := &server{Registry: srfake.NewRegistry()}
	s.Intercept(s.intercept)
	client, err := sr.NewClient(sr.HTTPClient(&http.Client{Transport: s}))
	Expect(err).NotTo(HaveOccurred())
	return s, registry.New(client)
}

// RoundTrip implements http.RoundTripper.
func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	cut := s.cut
	s.mu.Unlock()
	if cut {
		return nil, errCut
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return w.Result(), nil
}

func (s *server) intercept(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.EscapedPath())
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		answer(w, r)
	}
	return answer != nil
}

func (s *server) answerWith(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = h
}

func (s *server) setCut(cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = cut
}

func (s *server) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}
