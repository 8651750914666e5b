package devbroker_test

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/devbroker"
)

func ExampleStart() {
	b, err := devbroker.Start(devbroker.Topic("orders.created", 6))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()

	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addrs()...))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cl.Close()
	err = cl.ProduceSync(context.Background(), &kgo.Record{Topic: "orders.created", Value: []byte("tea")}).FirstErr()
	fmt.Println("produced:", err == nil)
	// Output: produced: true
}
