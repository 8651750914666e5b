package main

import (
	"time"

	"github.com/IBM/sarama"

	"github.com/karafgo/karafgo/bench/internal/client"
)

const linger = 5 * time.Millisecond

// producing is the same configuration with acks=all and idempotence, for which sarama wants one request in flight.
func producing() *sarama.Config {
	cfg := config()
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.Idempotent = true
	cfg.Net.MaxOpenRequests = 1
	cfg.Producer.Flush.Frequency = linger
	cfg.Producer.Return.Successes = true
	return cfg
}

// piper consumes, transforms and produces, at least once: what is marked is what is acknowledged, and all before it.
type piper struct {
	r        *client.Run
	producer sarama.AsyncProducer
	failed   chan struct{} // closed when an output was refused
}

// sent goes with an output, to say what it is of.
type sent struct {
	claim  *claim
	number uint64
}

type claim struct {
	client.Tracker

	session sarama.ConsumerGroupSession
	topic   string
	id      int32
}

func (piper) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (piper) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (p piper) ConsumeClaim(s sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	mine := &claim{session: s, topic: c.Topic(), id: c.Partition()}
	defer func() { // what was sent is marked before the partition goes
		select {
		case <-mine.Idle():
			mine.mark()
		case <-p.failed:
		}
	}()
	for {
		select {
		case m, ok := <-c.Messages():
			if !ok {
				return nil
			}
			p.producer.Input() <- &sarama.ProducerMessage{
				Topic: p.r.Output, Key: sarama.ByteEncoder(m.Key),
				Value:    sarama.ByteEncoder(p.r.Transform(m.Topic, m.Partition, m.Offset, m.Value)),
				Metadata: sent{claim: mine, number: mine.Sent(m.Offset, 0)},
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func (c *claim) mark() {
	if next, _, fresh := c.Next(); fresh {
		c.session.MarkOffset(c.topic, c.id, next, "")
	}
}

// acknowledged marks until the producer is closed. An output that is refused for good ends the client.
func (p piper) acknowledged() error {
	for {
		select {
		case m, ok := <-p.producer.Successes():
			if !ok {
				return nil
			}
			of := m.Metadata.(sent) //nolint:forcetypeassert // ConsumeClaim put it there
			of.claim.Acked(of.number)
			of.claim.mark()
		case err, ok := <-p.producer.Errors():
			if ok {
				close(p.failed)
				return err
			}
		}
	}
}

func transform(r *client.Run) error {
	cfg := producing()
	producer, err := sarama.NewAsyncProducer(r.Brokers, cfg)
	if err != nil {
		return err
	}
	p := piper{r: r, producer: producer, failed: make(chan struct{})}
	ended, joined := make(chan error, 1), make(chan error, 1)
	go func() { ended <- p.acknowledged() }()
	go func() { joined <- join(r, cfg, p) }()
	select {
	case err := <-ended:
		return err
	case err := <-joined:
		if err != nil {
			return err
		}
	}
	producer.AsyncClose()
	return <-ended
}

// produce writes what a program writes that consumes nothing.
func produce(r *client.Run) error {
	producer, err := sarama.NewAsyncProducer(r.Brokers, producing())
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		for range producer.Successes() { // the driver counts them
		}
		ended <- nil
	}()
	refused := make(chan error, 1)
	go func() {
		for err := range producer.Errors() {
			select {
			case refused <- err:
			default:
			}
		}
	}()
	err = r.Outputs(func(key, value []byte) error {
		select {
		case producer.Input() <- &sarama.ProducerMessage{
			Topic: r.Output, Key: sarama.ByteEncoder(key), Value: sarama.ByteEncoder(value),
		}:
			return nil
		case err := <-refused:
			return err
		}
	})
	if err != nil {
		return err
	}
	select {
	case <-r.Done():
	case err := <-refused:
		return err
	}
	producer.AsyncClose()
	return <-ended
}
