package callbacks_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/framework"
)

// Listen to one kind of event.
func ExampleOn() {
	letters := callbacks.On(func(_ context.Context, e callbacks.DeadLettered) {
		fmt.Printf("%s/%d@%d is in %s: %v\n", e.Topic, e.Partition, e.Offset, e.To, e.Err)
	})
	// The engine tells it, from a queue of its own.
	letters.OnEvent(context.Background(), callbacks.DeadLettered{
		Where: callbacks.Where{Group: "pricing", Topic: "orders", Partition: 2}, Offset: 7, To: "orders.dlq", Err: errors.New("no price"),
	})
	// Output: orders/2@7 is in orders.dlq: no price
}

// Listen to several kinds: the set of events is closed, so a type switch over it can be complete.
func ExampleListenerFunc() {
	partitions := 0
	l := callbacks.ListenerFunc(func(_ context.Context, e callbacks.Event) {
		switch e := e.(type) {
		case callbacks.Assigned:
			partitions++
		case callbacks.Revoked:
			partitions--
			if e.Lost {
				fmt.Println("lost", e.Topic, e.Where.Partition)
			}
		}
	})
	for _, e := range []callbacks.Event{
		callbacks.Assigned{Where: callbacks.Where{Topic: "orders", Partition: 0}},
		callbacks.Assigned{Where: callbacks.Where{Topic: "orders", Partition: 1}},
		callbacks.Revoked{Where: callbacks.Where{Topic: "orders", Partition: 1}, Lost: true},
	} {
		l.OnEvent(context.Background(), e)
	}
	fmt.Println(partitions, "left")
	// Output:
	// lost orders 1
	// 1 left
}

// Take part in the life of a group: the group waits for a hook, up to five seconds.
func ExampleHooks() {
	cache := map[string]int{"orders/0": 17, "orders/1": 4}
	hooks := callbacks.Hooks{
		OnRevoked: func(_ context.Context, _ string, p callbacks.Partitions) error {
			for topic, ids := range p {
				for _, id := range ids {
					delete(cache, fmt.Sprintf("%s/%d", topic, id)) // before others get it
				}
			}
			return nil
		},
	}
	_ = framework.Hooks(hooks) // an option of framework.Main and framework.Run

	fmt.Println(hooks.OnRevoked(context.Background(), "pricing", callbacks.Partitions{"orders": {1}}), cache)
	// Output: <nil> map[orders/0:17]
}
