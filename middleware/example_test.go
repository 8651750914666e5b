package middleware_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/middleware"
)

func ExampleLog() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "elapsed" {
			return slog.Attr{}
		}
		return a
	}})
	log := middleware.Log(middleware.Logger(slog.New(handler)), middleware.Levels(slog.LevelInfo, slog.LevelError))
	h := log(consumer.BatchHandlerFunc(func(context.Context, *consumer.Batch) error { return nil }))
	_ = h.HandleBatch(context.Background(), consumer.NewBatch([]consumer.Message{
		consumer.NewMessage(&kgo.Record{Topic: "orders", Offset: 3}, nil),
		consumer.NewMessage(&kgo.Record{Topic: "orders", Offset: 5}, nil),
	}))
	// Output: level=INFO msg=handled topic=orders partition=0 offset=3 attempt=1 last_offset=5 records=2
}

func ExampleDedupe() {
	id := func(m *consumer.Message) string {
		id, _ := m.Header("message-id")
		return string(id)
	}
	h := consumer.Chain(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
		for _, m := range b.All() {
			fmt.Println("handled", m.Offset)
		}
		return nil
	}), middleware.Dedupe(middleware.NewSet(1000), id))
	message := func(offset int64, id string) consumer.Message {
		header := kgo.RecordHeader{Key: "message-id", Value: []byte(id)}
		return consumer.NewMessage(&kgo.Record{Topic: "orders", Offset: offset, Headers: []kgo.RecordHeader{header}}, nil)
	}
	_ = h.HandleBatch(context.Background(), consumer.NewBatch([]consumer.Message{message(3, "a"), message(4, "b"), message(5, "a")}))
	// Output:
	// handled 3
	// handled 4
}
