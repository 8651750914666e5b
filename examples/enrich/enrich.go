package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/fx"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// View says that somebody has looked at a page. Its key is the user.
type View struct {
	ID     string `json:"id"`
	User   string `json:"user"`
	Number int    `json:"number"` // of the user, from 0
	Page   string `json:"page"`
}

// Profile is what is known about a user. A tombstone deletes it.
type Profile struct {
	Name    string `json:"name"`
	Country string `json:"country"`
}

// EnrichedView is a view with what is known about its user: nil is nothing.
type EnrichedView struct {
	View

	Profile *Profile `json:"profile"`
}

// PageViews is how often a page was viewed in one batch, by country.
type PageViews struct {
	Page      string         `json:"page"`
	Views     int            `json:"views"`
	Countries map[string]int `json:"countries"`
}

// Statistic is what the program tells about itself, now and then.
type Statistic struct {
	Profiles int `json:"profiles"`
	Enriched int `json:"enriched"`
	Unknown  int `json:"unknown"`
}

// The topics of the example. Keys are users and pages.
var (
	Views      = responder.NewKeyedTopic[string, View]("views", consumer.StringCodec, consumer.JSONCodec)
	Profiles   = responder.NewKeyedTopic[string, Profile]("profiles", consumer.StringCodec, consumer.JSONCodec)
	Enriched   = responder.NewKeyedTopic[string, EnrichedView]("views.enriched", consumer.StringCodec, consumer.JSONCodec)
	Unknown    = responder.NewKeyedTopic[string, View]("views.unknown", consumer.StringCodec, consumer.JSONCodec)
	Counted    = responder.NewKeyedTopic[string, PageViews]("pages.counted", consumer.StringCodec, consumer.JSONCodec)
	Statistics = responder.JSONTopic[Statistic]("enrich.statistics")
)

// Table has the profiles of all users, as far as they have been read.
type Table struct {
	mu       sync.RWMutex
	profiles map[string]Profile
	changes  int
}

// NewTable makes an empty table.
func NewTable() *Table { return &Table{profiles: map[string]Profile{}} }

// Put takes one record of the compacted topic.
func (t *Table) Put(_ context.Context, m *consumer.Typed[Profile]) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changes++
	if m.Tombstone() {
		delete(t.profiles, string(m.Key))
	} else {
		t.profiles[string(m.Key)] = m.Payload
	}
	return nil
}

// Get returns the profile of a user, nil when there is none.
func (t *Table) Get(user string) *Profile {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if p, ok := t.profiles[user]; ok {
		return &p
	}
	return nil
}

func (t *Table) size() (profiles, changes int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.profiles), t.changes
}

// A profile may be a moment late, all of them right after the start. So a user who is not in the table is looked for again before he counts
// as unknown.
const (
	looks = 3
	pause = 25 * time.Millisecond
)

var errNoProfile = errors.New("the user has no profile yet")

// Enricher adds profiles to views.
type Enricher struct {
	table *Table

	mu                sync.Mutex
	enriched, unknown int
}

// NewEnricher makes one that looks into the table.
func NewEnricher(t *Table) *Enricher { return &Enricher{table: t} }

// Enrich is a responder. What it writes leaves when it returns nil, and the view is marked when the broker has all of it. Correlation
// headers of the view are carried over by themselves.
func (e *Enricher) Enrich(_ context.Context, w *responder.Writer, m *consumer.Typed[View]) error {
	v := m.Payload
	profile := e.table.Get(v.User)
	if profile == nil {
		if m.Attempt() < looks {
			return consumer.RetryAfter(pause, errNoProfile)
		}
		if err := Unknown.Send(w, v.User, v); err != nil {
			return err
		}
	}
	if err := Enriched.Send(w, v.User, EnrichedView{v, profile}); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.enriched++
	if profile == nil {
		e.unknown++
	}
	return nil
}

func (e *Enricher) counted() Statistic {
	profiles, _ := e.table.size()
	e.mu.Lock()
	defer e.mu.Unlock()
	return Statistic{Profiles: profiles, Enriched: e.enriched, Unknown: e.unknown}
}

// Board shows how often pages were viewed.
type Board struct {
	mu    sync.Mutex
	views map[string]int
}

// NewBoard makes an empty board.
func NewBoard() *Board { return &Board{views: map[string]int{}} }

// Count is a batch responder with a Sync output: Send returns when the broker has the record, and only then it is on the board. In a
// batch only the handler knows which message an output belongs to, so it says whose headers are carried over.
func (b *Board) Count(_ context.Context, w *responder.Writer, batch *consumer.TypedBatch[EnrichedView]) error {
	counts, last := map[string]PageViews{}, map[string]*consumer.Message{}
	for _, m := range batch.All() {
		v := m.Payload
		c, seen := counts[v.Page]
		if !seen {
			c = PageViews{Page: v.Page, Countries: map[string]int{}}
		}
		c.Views++
		if v.Profile != nil {
			c.Countries[v.Profile.Country]++
		}
		counts[v.Page], last[v.Page] = c, m.Message
	}
	for _, page := range slices.Sorted(maps.Keys(counts)) {
		if err := Counted.Send(w, page, counts[page], responder.From(last[page])); err != nil {
			return err
		}
		b.mu.Lock()
		b.views[page] += counts[page].Views
		b.mu.Unlock()
	}
	return nil
}

func (b *Board) counted() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.views)
}

func (b *Board) total() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, views := range b.views {
		n += views
	}
	return n
}

// Reporter sends a statistic now and then, from outside of handlers: through the program's Producer, in which nothing is lost when the
// program stops.
type Reporter struct {
	buffer  *responder.Buffer
	counted func() Statistic
}

// NewReporter reports while the program runs.
func NewReporter(lc fx.Lifecycle, p *responder.Producer, e *Enricher) *Reporter {
	r := &Reporter{
		// A request for ten of them, and for what there is every two seconds.
		buffer:  p.Buffer(responder.BufferOptions{Threshold: 10, Interval: 2 * time.Second}),
		counted: e.counted,
	}
	quit, done := make(chan struct{}), make(chan struct{})
	lc.Append(fx.Hook{
		OnStart: func(context.Context) error {
			go func() {
				defer close(done)
				r.run(quit)
			}()
			return nil
		},
		OnStop: func(context.Context) error {
			close(quit)
			<-done
			return r.report() // what is buffered is flushed when handlers and hooks have ended
		},
	})
	return r
}

func (r *Reporter) run(quit <-chan struct{}) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-quit:
			return
		case <-ticker.C:
			_ = r.report() // it fails only when the program has ended; what the broker refuses is in karafgo_sent_total
		}
	}
}

func (r *Reporter) report() error { return r.buffer.Add(Statistics.Record(nil, r.counted())) }

// Instance names one start of the program.
type Instance string

// Routes draws what is consumed, and how.
func Routes(name Instance, table *Table, e *Enricher, b *Board) router.Drawer {
	return func(r *router.Router) {
		compacted := router.TopicConfig("cleanup.policy", "compact")
		r.Declare(Views.Name(), router.Partitions(4))
		r.Declare(Profiles.Name(), router.Partitions(4), compacted)
		r.Declare(Enriched.Name(), router.Partitions(4))
		r.Declare(Unknown.Name(), router.Partitions(1))
		r.Declare(Counted.Name(), router.Partitions(1))
		// Every process needs all profiles, from the first on. So each start has a group of its own, which has no offsets yet.
		r.Group("profiles."+string(name), func(g *router.Group) {
			g.Topic(Profiles.Name()).Each(consumer.JSON(table.Put))
		})
		r.Group("enrich", func(g *router.Group) {
			g.Topic(Views.Name()).
				Each(responder.JSON(e.Enrich, Enriched.Required(), Unknown.Optional())).
				Concurrency(16, router.ByKey) // a user who is looked for again holds up nobody else
		})
		r.Group("pages", func(g *router.Group) {
			g.Topic(Enriched.Name()).Batch(responder.JSONBatch(b.Count, Counted.Sync()), 200, 100*time.Millisecond)
		})
	}
}
