package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Transactions is the client that a group drawn with ExactlyOnce produces with: one transaction after the other. Only Produce is for more
// than one goroutine.
type Transactions interface {
	// Begin begins a transaction. The cluster learns of it with the first record.
	Begin() error
	// Produce sends r in the transaction, on behalf of the record at from.
	Produce(ctx context.Context, from Source, r *kgo.Record, promise func(*kgo.Record, error))
	// Flush returns when every record is acknowledged or refused.
	Flush(ctx context.Context) error
	// Identity is what a member needs to add its offsets to the transaction.
	Identity(ctx context.Context) (TransactionIdentity, error)
	// End commits the transaction, or aborts it, with all that is under way. After an error of a commit nobody knows whether it took place.
	End(ctx context.Context, commit bool) error
	Close()
}

// TransactionIdentity names a producer and its epoch to the cluster.
type TransactionIdentity struct {
	ID         string
	ProducerID int64
	Epoch      int16
}

// Transactions implements Connector.
func (c *Cluster) Transactions(group string) (Transactions, error) { //nolint:ireturn // it implements Connector
	id, _ := c.TransactionalID(group)
	cl, err := c.transactional(id)
	if err != nil {
		return nil, err
	}
	return &transactions{Transactional: cl, id: id}, nil
}

// TransactionalID is that of a group's transactions; chosen is false when the configuration gives none, so that it is random.
func (c *Cluster) TransactionalID(group string) (id string, chosen bool) {
	switch gc := c.cfg.ForGroup(group); {
	case c.cfg.Producer.TransactionalID != "":
		return c.cfg.Producer.TransactionalID + "-" + group, true
	case gc.Group.InstanceID != "":
		return group + "-" + gc.Group.InstanceID, true
	default: // the same for each client of the process: the next one ends what the one before has open
		return group + "-" + c.random, false
	}
}

type transactions struct {
	*Transactional

	id string
}

// Begin implements Transactions.
func (t *transactions) Begin() error { return t.BeginTransaction() } //nolint:wrapcheck // the engine says what it began

// Produce implements Transactions. The wait for room is bounded as the record is, by the delivery timeout: what ends earlier is aborted.
func (t *transactions) Produce(_ context.Context, _ Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	t.Client.Produce(t.by.from(r), r, promise)
}

// Identity implements Transactions.
func (t *transactions) Identity(ctx context.Context) (TransactionIdentity, error) {
	id, epoch, err := t.ProducerID(ctx)
	if err != nil {
		return TransactionIdentity{}, fmt.Errorf("producer id: %w", err)
	}
	return TransactionIdentity{ID: t.id, ProducerID: id, Epoch: epoch}, nil
}

// End implements Transactions.
func (t *transactions) End(ctx context.Context, commit bool) error {
	if !commit {
		if err := t.AbortBufferedRecords(ctx); err != nil {
			return fmt.Errorf("abort what is under way: %w", err)
		}
	}
	return t.EndTransaction(ctx, kgo.TransactionEndTry(commit)) //nolint:wrapcheck // the engine says what it ended
}

// concurrentPause is the pause before a coordinator that still ends the transaction before is asked again.
const concurrentPause = 10 * time.Millisecond

// whileConcurrent asks again for as long as the coordinator still ends the transaction before.
func whileConcurrent(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if !errors.Is(err, kerr.ConcurrentTransactions) {
			return err
		}
		select {
		case <-time.After(concurrentPause):
		case <-ctx.Done():
			return err
		}
	}
}

// AddOffsets implements Consumer (KIP-447): the offsets count when the transaction is committed, if the member belongs to the group until
// now. While it is open, others who ask for them have to wait.
func (m *member) AddOffsets(ctx context.Context, tx TransactionIdentity, at Offsets) error {
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = tx.ID, tx.ProducerID, tx.Epoch, m.group
	err := whileConcurrent(ctx, func() error {
		resp, err := add.RequestWith(ctx, m.Client)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err != nil {
		return fmt.Errorf("add the group to the transaction: %w", err)
	}
	commit := kmsg.NewPtrTxnOffsetCommitRequest()
	commit.TransactionalID, commit.ProducerID, commit.ProducerEpoch, commit.Group = tx.ID, tx.ProducerID, tx.Epoch, m.group
	commit.MemberID, commit.Generation = m.GroupMetadata()
	if m.instance != "" {
		commit.InstanceID = &m.instance
	}
	topics := map[string]*kmsg.TxnOffsetCommitRequestTopic{}
	for tp, o := range at {
		t := topics[tp.Topic]
		if t == nil {
			t = new(kmsg.NewTxnOffsetCommitRequestTopic())
			t.Topic = tp.Topic
			topics[tp.Topic] = t
		}
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = tp.Partition, o.Offset, o.Epoch, &o.Metadata
		t.Partitions = append(t.Partitions, p)
	}
	for _, t := range topics {
		commit.Topics = append(commit.Topics, *t)
	}
	err = whileConcurrent(ctx, func() error {
		resp, err := commit.RequestWith(ctx, m.Client)
		if err != nil {
			return err //nolint:wrapcheck // below
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return fmt.Errorf("%s/%d: %w", t.Topic, p.Partition, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add offsets to the transaction: %w", err)
	}
	return nil
}

// inTransactions are the options of a member whose offsets are committed in transactions: it sees only what is committed, and names topics
// when it adds offsets, after it has added the group. From version 5 on of that request the cluster adds the group by itself, but only
// where its feature transaction.version is 2.
func inTransactions() []kgo.Opt {
	const byName = 4
	versions := kversion.Tip()
	versions.SetMaxKeyVersion(int16(kmsg.TxnOffsetCommit), byName)
	return []kgo.Opt{kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MaxVersions(versions)}
}
