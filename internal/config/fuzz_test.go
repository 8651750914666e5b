package config_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/karafgo/karafgo/internal/config"
)

// FuzzLoad checks for any document and environment that loading does not panic, that a configuration
// that loads is valid, and that what it writes loads to the same configuration.
func FuzzLoad(f *testing.F) {
	defaults, err := config.Default().YAML()
	if err != nil {
		f.Fatal(err)
	}

	f.Add(defaults, "KARAFGO_SHUTDOWN__DRAIN=45s\nKARAFGO_KAFKA__BROKERS=a:1,b:2")
	f.Add([]byte("topics: {orders.created: {concurrency: 8, batch_size: 1, batch_wait: 0s}, a: }"), "KARAFGO_TOPICS__A__BATCH_SIZE=3")
	f.Add([]byte("groups: {g.h: {group: {rebalance_timeout: 4m}, fetch: {max_wait: 1s}, commit: {threshold: 1}}}"), "KARAFGO_X=1")
	f.Add([]byte("log: &l {level: warn}\nhttp: *l\nkafka: {tls: {enabled: true}, brokers: [&b a, *b]}\ngroup: &g {drain: *g}"), "")
	f.Add([]byte("- [\x00"), "KARAFGO_GROUPS__\xff__GROUP__INSTANCE_ID=\xff\nKARAFGO_KAFKA__CLIENT_ID=\u2028")

	f.Fuzz(func(t *testing.T, document []byte, environ string) {
		cfg, err := config.LoadDocument(document, strings.Split(environ, "\n"), nil)
		if err != nil {
			for _, p := range config.Problems(err) {
				if p.What == "" {
					t.Errorf("a problem says nothing: %#v", p)
				}
			}

			if len(config.Problems(err)) == 0 {
				t.Errorf("not a mistake of the user: %v", err)
			}

			return
		}

		if err := cfg.Validate(); err != nil {
			t.Errorf("a loaded configuration is not valid: %v", err)
		}

		text, err := cfg.YAML()
		if err != nil {
			t.Fatal(err)
		}

		again, err := config.LoadDocument(text, nil, nil)
		if err != nil {
			t.Fatalf("does not load again: %v\n%s", err, text)
		}

		if !reflect.DeepEqual(again.Bare(), cfg.Bare()) {
			t.Errorf("loads again to %+v, was %+v\n%s", again.Bare(), cfg.Bare(), text)
		}
	})
}
