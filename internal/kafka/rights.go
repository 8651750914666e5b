package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Rights are what a process needs to be allowed.
type Rights struct {
	Read   []string // topics
	Write  []string // topics
	Groups []string
	// ExactlyOnce are groups that produce and commit in transactions, of the ids that the configuration gives them.
	ExactlyOnce []string
}

// Denial is a right that the cluster does not give.
type Denial struct {
	// Kind is that of the resource: topic, group, or transactional id.
	Kind string
	Name string
	// Op is the operation as ACLs call it: READ, WRITE.
	Op string
	// Who is denied: User:ada, or this process.
	Who string
	// Remedy says what to add.
	Remedy string
	// Group is whose transactional id it is.
	Group string
}

// String says it in a line.
func (d Denial) String() string {
	return fmt.Sprintf("%s is not allowed to %s %s %q: %s", d.Who, strings.ToLower(d.Op), d.Kind, d.Name, d.Remedy)
}

// Denied implements Producer.
func (p *producer) Denied(ctx context.Context, need Rights) ([]Denial, error) {
	topics, err := p.topicRights(ctx, slices.Concat(need.Read, need.Write))
	if err != nil {
		return nil, err
	}
	groups := p.groupRights(ctx, need.Groups)
	var denied []Denial
	check := func(have map[string]right, kind, name string, op kmsg.ACLOperation) {
		if r, ok := have[name]; ok && !r.allows(op) {
			denied = append(denied, p.denied(kind, name, op))
		}
	}
	for _, name := range need.Groups {
		check(groups, "group", name, kmsg.ACLOperationRead)
	}
	for _, name := range need.Read {
		check(topics, "topic", name, kmsg.ACLOperationRead)
	}
	for _, name := range need.Write {
		check(topics, "topic", name, kmsg.ACLOperationWrite)
	}
	return append(denied, p.transactionRights(ctx, need.ExactlyOnce)...), nil
}

// right is what a cluster lets this process do with one of its resources.
type right struct {
	none bool
	ops  int32 // a bit for each ACLOperation (KIP-430)
}

// A broker before Kafka 2.3 does not say. One that says that nothing is allowed, and yet describes the resource, does not either.
const (
	untoldOps  = -1 << 31
	nothingOps = 0
)

func (r right) allows(op kmsg.ACLOperation) bool {
	return !r.none && (r.ops == untoldOps || r.ops == nothingOps || r.ops&(1<<op) != 0)
}

func (p *producer) denied(kind, name string, op kmsg.ACLOperation) Denial {
	who := "this process"
	if user := p.cluster.cfg.Kafka.SASL.Username; user != "" {
		who = "User:" + user
	}
	return Denial{
		Kind: kind, Name: name, Op: op.String(), Who: who, Remedy: fmt.Sprintf("add an ACL for the operation %s on this %s", op, kind),
	}
}

// transactionRights asks whether transactions may be written. Brokers do not tell (KIP-430 is about groups and topics), so it ends
// one of a producer that cannot be: who may not is refused before anybody looks for the producer.
func (p *producer) transactionRights(ctx context.Context, groups []string) (denied []Denial) {
	for _, group := range groups {
		id, chosen := p.cluster.TransactionalID(group)
		req := kmsg.NewPtrEndTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = id, -1, -1
		resp, err := req.RequestWith(ctx, p.Client) // finds the coordinator, which wants DESCRIBE
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if !errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
			continue // what else is wrong shows when the first transaction begins
		}
		d := p.denied("transactional id", id, kmsg.ACLOperationWrite)
		d.Group = group
		if !chosen {
			d.Name = group + "-*"
			d.Remedy = fmt.Sprintf("add an ACL for the operation WRITE on transactional ids with the prefix %q", group+"-")
		}
		denied = append(denied, d)
	}
	return denied
}

func (p *producer) topicRights(ctx context.Context, names []string) (map[string]right, error) {
	if len(names) == 0 {
		return map[string]right{}, nil // none would mean all
	}
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = new(name)
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, p.Client)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	found := map[string]right{}
	for _, t := range resp.Topics {
		switch t.ErrorCode {
		case kerr.TopicAuthorizationFailed.Code:
			found[*t.Topic] = right{none: true}
		case 0:
			found[*t.Topic] = right{ops: t.AuthorizedOperations}
		}
	}
	return found, nil
}

func (p *producer) groupRights(ctx context.Context, ids []string) map[string]right {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups, req.IncludeAuthorizedOperations = ids, true
	found := map[string]right{}
	for _, shard := range p.Client.RequestSharded(ctx, req) { // each group has a coordinator of its own
		resp, ok := shard.Resp.(*kmsg.DescribeGroupsResponse)
		if shard.Err != nil || !ok {
			asked, _ := shard.Req.(*kmsg.DescribeGroupsRequest)
			if asked == nil || !errors.Is(shard.Err, kerr.GroupAuthorizationFailed) {
				continue // what is wrong shows when the group is joined
			}
			for _, id := range asked.Groups {
				found[id] = right{none: true}
			}
			continue
		}
		for _, g := range resp.Groups {
			switch g.ErrorCode {
			case kerr.GroupAuthorizationFailed.Code:
				found[g.Group] = right{none: true}
			case 0:
				found[g.Group] = right{ops: g.AuthorizedOperations}
			}
		}
	}
	return found
}
