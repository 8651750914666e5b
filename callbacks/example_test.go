package callbacks_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/framework"
)

func page(topic string, partition int32, offset int64, err error) {
	fmt.Printf("page: %s/%d@%d is blocked: %v\n", topic, partition, offset, err)
}

// Listen to one kind of event.
func Example() {
	blocked := callbacks.On(func(_ context.Context, e callbacks.Blocked) {
		page(e.Topic, e.Partition, e.Offset, e.Err)
	})
	_ = framework.Callbacks(blocked) // an option of framework.Main and framework.Run

	blocked.OnEvent(context.Background(), callbacks.Committed{Offset: 1})
	blocked.OnEvent(context.Background(), callbacks.Blocked{
		Where: callbacks.Where{Group: "pricing", Topic: "orders", Partition: 2}, Offset: 7, Err: errors.New("boom"),
	})
	// Output: page: orders/2@7 is blocked: boom
}
