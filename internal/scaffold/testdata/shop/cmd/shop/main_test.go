package main

import (
	"context"
	"path/filepath"
	"testing"

	"go.uber.org/fx"

	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/testkit"

	"example.com/shop/internal/orders"
)

// outbox is a customer who waits.
type outbox chan orders.PricedOrder

func (o outbox) Confirm(ctx context.Context, order orders.PricedOrder) error {
	select {
	case o <- order:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// The program as main runs it, on the embedded broker, or on the one that KARAFGO_TEST_BROKERS names. Only the customer is not real.
func TestAnOrderIsPricedAndConfirmed(t *testing.T) {
	broker := testkit.Cluster(t)
	cfg := broker.Config()
	cfg.Kafka.MissingTopics = "create" // the one that is produced to is there already
	confirmed := make(outbox, 1)
	order := orders.Order{ID: "1001", Customer: "ada@example.com", SKU: "TEA-GREEN", Quantity: 2}
	created := broker.Produce(orders.OrdersCreated.Name(), testkit.JSON(order).Key(order.ID))

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- framework.Run(ctx, cfg, app(),
			fx.Decorate(func(orders.Outbox) orders.Outbox { return confirmed }),
			framework.Callbacks(broker.Listener()))
	}()

	want := orders.PricedOrder{ID: "1001", Customer: "ada@example.com", Cents: 1280}
	select {
	case got := <-confirmed:
		if got != want {
			t.Errorf("the customer was told %+v, want %+v", got, want)
		}
	case err := <-ended:
		t.Fatalf("ended before the customer was told: %v", err)
	}
	broker.Await("the order to be committed", func() bool {
		return broker.Committed("shop.pricer", created.Topic, created.Partition) > created.Offset
	})

	stop()
	if err := <-ended; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// A key that is misspelt fails here, and not in the night of a deployment.
func TestConfigurationsAreRight(t *testing.T) {
	files, err := filepath.Glob("../../config/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../../karafgo.yaml") {
		if _, err := framework.LoadConfig(file); err != nil {
			t.Errorf("%s:\n%v", file, err)
		}
	}
}
