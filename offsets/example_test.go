package offsets_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

type Audit struct{}

func (*Audit) store(_ context.Context, m *consumer.Message) error {
	fmt.Println("stored", m.Offset)
	return nil
}

func (a *Audit) Handle(ctx context.Context, m *consumer.Message) error {
	if err := a.store(ctx, m); err != nil {
		return err
	}
	return m.MarkThrough() // this record and all before it
}

// On a route with ManualOffsets the handler marks.
func Example() {
	m := consumer.NewMessage(&kgo.Record{Offset: 7}, nil)
	fmt.Println((&Audit{}).Handle(context.Background(), &m))
	// Output:
	// stored 7
	// <nil>
}

// A handler that is interrupted can ask why.
func Example_cause() {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(offsets.ErrRevoked) // the engine does this when a partition is taken away
	<-ctx.Done()
	if errors.Is(context.Cause(ctx), offsets.ErrRevoked) {
		fmt.Println("another member goes on")
	}
	// Output: another member goes on
}
