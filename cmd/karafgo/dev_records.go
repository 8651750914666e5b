package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/internal/lines"
)

const (
	samplesDir   = "testdata"
	sampleSuffix = ".jsonl"
)

// site is the embedded broker as clients see it.
type site struct {
	console *console
	client  *kgo.Client
	admin   *kadm.Client
}

type groupTopic struct{ group, topic string }

// lookEvery is how often the broker is asked for what has no event: new topics, and what groups have committed.
const lookEvery = 300 * time.Millisecond

// openSite connects to the embedded broker. The client reads every topic that there is and will be, from its first record on.
func openSite(c *console, brokers []string) (*site, error) {
	cfg := config.Default()
	cfg.Kafka.Brokers, cfg.Kafka.ClientID = brokers, "karafgo-dev"
	opts, err := kafka.New(cfg, nil).Options()
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the option
	}
	client, err := kgo.NewClient(append(opts,
		kgo.ConsumeRegex(), kgo.ConsumeTopics("^[^_].*"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MetadataMinAge(lookEvery), kgo.MetadataMaxAge(lookEvery),
	)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded broker: %w", err)
	}
	return &site{console: c, client: client, admin: kadm.NewClient(client)}, nil
}

// Of records that come fast only some are shown: the console is for people.
const (
	mostShown = 10 // of a topic, in one go
	breath    = time.Second
)

// show prints the records that go through the broker, until ctx ends.
func (s *site) show(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := s.client.PollFetches(ctx)
		cut := false
		fetches.EachTopic(func(t kgo.FetchTopic) {
			shown, left := 0, 0
			t.EachRecord(func(r *kgo.Record) {
				if shown == mostShown {
					left++
					return
				}
				shown++
				s.console.record(r)
			})
			if left > 0 {
				cut = true
				s.console.line("record", blue, fmt.Sprintf("%s: %d more", t.Topic, left))
			}
		})
		if cut {
			wait(ctx, breath)
		}
	}
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// record prints where a record is, and as much of it as there is room for.
func (c *console) record(r *kgo.Record) {
	at := fmt.Sprintf("%s/%d@%d", r.Topic, r.Partition, r.Offset)
	var text strings.Builder
	if r.Key != nil {
		text.WriteString(content(r.Key) + ": ")
	}
	if r.Value == nil {
		text.WriteString("a tombstone")
	} else {
		text.WriteString(content(r.Value))
	}
	room := 0
	if c.columns > 0 {
		room = max(c.columns-indent-utf8.RuneCountInString(at)-1, 20) //nolint:mnd // worth a second line
	}
	c.line("record", blue, c.paint(grey, at)+" "+cutTo(text.String(), room))
}

// content is a key or a value as one line.
func content(b []byte) string {
	if !utf8.Valid(b) {
		return fmt.Sprintf("(%d bytes that are no text)", len(b))
	}
	return printable(string(b))
}

// cutTo is text in so many columns; 0 are no limit.
func cutTo(text string, columns int) string {
	if runes := []rune(text); columns > 0 && len(runes) > columns {
		return string(runes[:columns-1]) + "…"
	}
	return text
}

// ready waits until every group that has come has its partitions: what is produced from then on, routes that start at the end see too.
func (s *site) ready(ctx context.Context) bool {
	for ctx.Err() == nil {
		if groups, err := s.admin.ListGroups(ctx); err == nil && len(groups) > 0 {
			stable := true
			for _, g := range groups {
				stable = stable && g.State == "Stable"
			}
			if stable {
				return true
			}
		}
		wait(ctx, lookEvery)
	}
	return false
}

// follow prints how far groups have come, until ctx ends.
func (s *site) follow(ctx context.Context) {
	shown := map[groupTopic]int64{}
	for ; ctx.Err() == nil; wait(ctx, lookEvery) {
		groups, err := s.admin.ListGroups(ctx)
		if err != nil || len(groups) == 0 {
			continue // it is asked again
		}
		committed := map[groupTopic]int64{}
		for name, offsets := range s.admin.FetchManyOffsets(ctx, groups.Groups()...) {
			offsets.Fetched.Each(func(o kadm.OffsetResponse) {
				if o.Err == nil && !admin.IsReplay(name) {
					committed[groupTopic{name, o.Topic}] += max(o.At, 0)
				}
			})
		}
		s.progress(ctx, shown, committed)
	}
}

// progress prints what is new.
func (s *site) progress(ctx context.Context, shown, committed map[groupTopic]int64) {
	for _, of := range slices.SortedFunc(maps.Keys(committed), func(a, b groupTopic) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.topic, b.topic))
	}) {
		if committed[of] <= shown[of] {
			continue
		}
		ends, err := s.admin.ListEndOffsets(ctx, of.topic)
		if err != nil {
			return // it is asked again
		}
		all := int64(0)
		ends.Each(func(o kadm.ListedOffset) { all += max(o.Offset, 0) })
		said := fmt.Sprintf("%s: %d of %d in %s", of.group, committed[of], all, of.topic)
		s.console.line("handled", green, s.console.wrap(strings.Fields(said)))
		shown[of] = committed[of]
	}
}

// sampleFiles are those of the module.
func sampleFiles(root string) []string {
	files, _ := filepath.Glob(filepath.Join(root, samplesDir, "*"+sampleSuffix)) // its only error is a bad pattern
	return files
}

// send produces a file of sample records to the topic that it is named after, and says so.
func (s *site) send(ctx context.Context, root, file string) {
	name, err := filepath.Rel(root, file)
	if err != nil {
		name = file
	}
	topic := strings.TrimSuffix(filepath.Base(file), sampleSuffix)
	records, err := readSamples(file, name, topic)
	if errors.Is(err, os.ErrNotExist) {
		return // it was deleted
	}
	if err != nil {
		s.console.warnf("%s is not sent: %v", name, err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	counts := map[string]int{}
	for _, r := range records {
		counts[r.Topic]++
	}
	topics := slices.Sorted(maps.Keys(counts))
	if len(topics) > 0 {
		there, err := s.admin.ListTopics(ctx, topics...)
		if err != nil {
			s.console.warnf("%s is not sent: %v", name, err)
			return
		}
		for _, t := range topics {
			if !there.Has(t) {
				s.console.warnf("%s is not sent: there is no topic %s: name the file after a topic that the app consumes", name, t)
				return
			}
		}
	}
	for _, t := range topics {
		s.console.sayf("sending %s: %s to %s", name, count(counts[t], "record"), t)
	}
	if err := s.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		s.console.warnf("%s is not sent, or not all of it: %v", name, err)
	}
}

// sendTimeout is long for a broker in the same process.
const sendTimeout = 10 * time.Second

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// readSamples reads all records of a file, or none.
func readSamples(file, name, topic string) (records []*kgo.Record, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err //nolint:wrapcheck // by the caller
	}
	defer f.Close() //nolint:errcheck // it was read only
	in := lines.NewReader(name, f)
	for {
		r, err := in.Read()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err //nolint:wrapcheck // it says where
		}
		if r.Topic == "" {
			r.Topic = topic
		}
		records = append(records, r)
	}
}
