package framework

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/karafgo/karafgo/internal/health"
	"github.com/karafgo/karafgo/internal/metrics"
)

const (
	readTimeout  = 10 * time.Second
	closeTimeout = time.Second
)

// listener serves /metrics and /healthz/*.
type listener struct {
	address string
	server  *http.Server
	log     *zap.Logger
}

func newListener(address string, m *metrics.Metrics, h *health.Health, log *zap.Logger) *listener {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/healthz/", h.Handler())
	return &listener{address: address, log: log, server: &http.Server{Handler: mux, ReadHeaderTimeout: readTimeout}}
}

func (l *listener) open() error {
	var lc net.ListenConfig
	ln, err := lc.Listen(context.Background(), "tcp", l.address)
	if err != nil {
		return fmt.Errorf("http.listen %q: %w; set another address, or \"\" to serve no metrics and probes", l.address, err)
	}
	l.log.Info("serving metrics and probes", zap.String("address", ln.Addr().String()))
	go func() {
		if err := l.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			l.log.Error("http server ended", zap.Error(err))
		}
	}()
	return nil
}

func (l *listener) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close() // a scrape that does not end
	}
}
