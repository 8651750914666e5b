// Package devbroker is a Kafka broker inside the process: to develop, to try and to test with nothing installed.
//
//	b, err := devbroker.Start(devbroker.Topic("orders.created", 6))
//	if err != nil {
//		return err
//	}
//	defer b.Close()
//	cfg.Kafka.Brokers = b.Addrs()
//
// It speaks the Kafka protocol over TCP on 127.0.0.1, so any client of the machine can connect, whatever its language. It is franz-go's
// kfake: groups, idempotent and transactional producing, admin requests.
//
// What it is not: durable (everything is in memory and forgotten when it closes, unless DataDir keeps it), fast, replicated, or reachable
// from another machine. Nothing is deleted by age or size unless a topic asks for it, so a program that produces for hours fills the
// memory. Not for production.
package devbroker
