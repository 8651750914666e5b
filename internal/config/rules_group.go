package config

import (
	"fmt"
	"slices"
	"time"
)

// longestCancelling is the most that cancelled handlers have in a rebalance.
const longestCancelling = 5 * time.Second

func (v *validator) membership(g Group) {
	const (
		leastTimeout = 100 * time.Millisecond
		beats        = 3 // heartbeats in a session: Kafka's own advice, so that two may get lost
	)

	between(v, "group.session_timeout", g.SessionTimeout, leastTimeout, wireTime)
	between(v, "group.heartbeat_interval", g.HeartbeatInterval, time.Millisecond, wireTime)
	between(v, "group.rebalance_timeout", g.RebalanceTimeout, leastTimeout, wireTime)
	between(v, "group.drain", g.Drain, 0, anyTime)

	v.protocol(g)

	heartbeat := setting{"group.heartbeat_interval", g.HeartbeatInterval}
	session := setting{"group.session_timeout", g.SessionTimeout}
	rebalance := setting{"group.rebalance_timeout", g.RebalanceTimeout}
	drain := setting{"group.drain", g.Drain}

	onBroker := g.Protocol == Consumer // which has its own session and heartbeats

	if !onBroker && g.HeartbeatInterval > g.SessionTimeout/beats {
		v.conflict(heartbeat, "is more than a third of", session, "two lost heartbeats end the session")
	}

	if !onBroker && g.SessionTimeout >= g.RebalanceTimeout {
		v.conflict(session, "is not less than", rebalance, "a dead member holds every rebalance up to its end")
	}

	// What cancelling the slowest handlers may take stands in the engine: a tenth, 5 s at most.
	const cancelling = 10

	switch {
	case g.Drain >= g.RebalanceTimeout:
		v.conflict(drain, "is not less than", rebalance, "a slow handler puts the member out of its group")
	case g.Drain > g.RebalanceTimeout-2*min(g.RebalanceTimeout/cancelling, longestCancelling):
		v.conflict(drain, "leaves too little of", rebalance, "cancelling a slow handler and committing put the member out of its group")
	}

	if len(g.Balancers) == 0 {
		v.report("is empty: write at least one, such as "+CooperativeSticky, "group.balancers")
	}

	for i, balancer := range g.Balancers {
		v.oneOf("group.balancers", balancer, CooperativeSticky, Sticky, Range, RoundRobin)

		if slices.Contains(g.Balancers[:i], balancer) {
			v.report(fmt.Sprintf("%q is given twice: remove one", balancer), "group.balancers")
		}
	}

	if g.InstanceID != "" && !kafkaName(g.InstanceID) {
		v.report(fmt.Sprintf("%q is not an instance id: %s", g.InstanceID, nameRule), "group.instance_id")
	}
}

// protocol checks what the protocol of KIP-848 leaves to the broker.
func (v *validator) protocol(g Group) {
	v.oneOf("group.protocol", g.Protocol, Classic, Consumer)

	if g.Protocol != Consumer {
		return
	}

	common := Default().Group

	for _, s := range []struct {
		key          string
		value, usual time.Duration
	}{
		{"group.session_timeout", g.SessionTimeout, common.SessionTimeout},
		{"group.heartbeat_interval", g.HeartbeatInterval, common.HeartbeatInterval},
	} {
		if s.value != s.usual || v.places[joined(v.path(s.key))] != "" {
			v.report("is set on the broker with the protocol consumer (KIP-848): remove it", s.key, "group.protocol")
		}
	}

	if len(g.Balancers) != 1 || g.Balancers[0] == RoundRobin {
		v.report(fmt.Sprintf("the protocol consumer has one strategy, cooperative-sticky or range, not %v", g.Balancers),
			"group.balancers", "group.protocol")
	}
}
