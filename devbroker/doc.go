// Package devbroker is a Kafka broker inside the process: to develop, to try and to test with nothing installed.
//
//	b, err := devbroker.Start(devbroker.Topic("orders.created", 6))
//	if err != nil {
//		return err
//	}
//	defer b.Close()
//	cfg.Kafka.Brokers = b.Addrs()
//
// It speaks the Kafka protocol on loopback, so any client can connect. It keeps everything in memory and forgets it when it closes: it is
// not for production. It is franz-go's kfake.
package devbroker
