package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
)

// topicsAndGroups looks at what the routes need.
func (e *Examination) topicsAndGroups(ctx context.Context, a *admin.Cluster) error {
	p, err := e.Cluster.Producer()
	if err != nil {
		return err //nolint:wrapcheck // it says what
	}
	defer p.Close()
	need := kafka.Rights{Read: e.Routes.Topics(), Write: e.written()}
	for _, g := range e.Routes.Groups() {
		need.Groups = append(need.Groups, g.ID)
		if g.ExactlyOnce {
			need.ExactlyOnce = append(need.ExactlyOnce, g.ID)
		}
	}
	var denials []kafka.Denial
	if err := kafka.Patiently(ctx, func() (err error) {
		denials, err = p.Denied(ctx, need)
		return err
	}); err != nil {
		e.Tell(Failed("rights", "", err))
		return nil
	}
	denied := map[string][]kafka.Denial{}
	for _, d := range denials {
		key := d.Kind + " " + d.Name
		denied[key] = append(denied[key], d)
	}
	e.topics(ctx, a, denied)
	e.groups(ctx, a, denied, need.Groups)
	e.transactions(denials, need.ExactlyOnce)
	return nil
}

// written are the topics that the program writes to, each once.
func (e *Examination) written() []string {
	names := slices.AppendSeq(e.Routes.Outputs(), maps.Keys(e.Routes.FailureTopics()))
	slices.Sort(names)
	return slices.Compact(names)
}

// refusal is a finding of rights that are missing; false where none are.
func refusal(what, name string, denials []kafka.Denial) (Finding, bool) {
	if len(denials) == 0 {
		return Finding{}, false
	}
	f := Finding{What: what, Name: name, Result: Fail}
	var ops, remedies []string
	for _, d := range denials {
		ops, remedies = append(ops, strings.ToLower(d.Op)), append(remedies, d.Remedy)
	}
	f.Text = fmt.Sprintf("%s is not allowed to %s it", denials[0].Who, strings.Join(ops, " and to "))
	f.Remedy = strings.Join(remedies, "; ")
	return f, true
}

func (e *Examination) topics(ctx context.Context, a *admin.Cluster, denied map[string][]kafka.Denial) {
	names := slices.Concat(e.Routes.Topics(), e.written())
	for key := range denied {
		if name, ok := strings.CutPrefix(key, "topic "); ok {
			names = append(names, name)
		}
	}
	topics, err := a.Topics(ctx, e.Routes)
	plan, perr := a.Plan(ctx, e.Routes)
	seen := map[string]admin.Topic{}
	for _, t := range topics {
		seen[t.Name] = t
		names = append(names, t.Name)
	}
	steps := map[string][]admin.Step{}
	for _, s := range plan {
		steps[s.Topic] = append(steps[s.Topic], s)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if f, ok := refusal("topic", name, denied["topic "+name]); ok {
			e.Tell(f)
			continue
		}
		if err == nil {
			e.Tell(e.topic(seen[name], steps[name]))
		}
	}
	if err := errors.Join(err, perr); err != nil && len(denied) == 0 { // who may not see all topics is told so above
		e.Tell(Failed("topics", "", err))
	}
}

// topic is what the cluster says about one, and the plan.
func (e *Examination) topic(t admin.Topic, steps []admin.Step) Finding {
	f := Finding{What: "topic", Name: t.Name, Result: OK}
	if !t.Exists {
		f.Text = "does not exist"
		f.Result, f.Remedy = Fail, "topics apply makes it, or set kafka.missing_topics to create"
		if len(steps) == 1 && steps[0].Action == admin.Missing {
			f.Remedy = "create it; or declare it (r.Declare) and topics apply makes it; or set kafka.missing_topics to create"
		}
		switch e.Config.Kafka.MissingTopics {
		case config.MissingCreate:
			f.Result, f.Remedy = OK, ""
			f.Text += ", and is made at the start (kafka.missing_topics)"
		case config.MissingWarn:
			f.Result = Warn
			f.Text += ", and is waited for (kafka.missing_topics)"
		}
		if len(t.ConsumedBy) == 0 && len(t.WrittenBy) == 0 && !t.DeadLetters {
			f.Result = Warn // declared only
		}
		return f
	}
	f.Text = fmt.Sprintf("%d partitions, replication %d", t.Partitions, t.Replication)
	if t.Partitions == 1 {
		f.Text = fmt.Sprintf("1 partition, replication %d", t.Replication)
	}
	if len(t.Leaderless) > 0 {
		f.Result, f.Remedy = Fail, "start the brokers that have it, or elect a leader"
		f.Text += fmt.Sprintf("; nobody leads partition %s", numbers(t.Leaderless))
		return f
	}
	for _, s := range steps {
		f.Result = Warn
		f.Text += fmt.Sprintf("; %s: %s", strings.ReplaceAll(string(s.Action), "_", " "), s)
		if f.Remedy = "topics apply"; !s.Applies() {
			f.Remedy = "topics plan says what to do"
		}
	}
	return f
}

func numbers(partitions []int32) string {
	text := make([]string, len(partitions))
	for i, p := range partitions {
		text[i] = strconv.Itoa(int(p))
	}
	return strings.Join(text, ", ")
}

func (e *Examination) groups(ctx context.Context, a *admin.Cluster, denied map[string][]kafka.Denial, names []string) {
	for _, name := range names {
		if f, ok := refusal("group", name, denied["group "+name]); ok {
			e.Tell(f)
			continue
		}
		f := Finding{What: "group", Name: name, Result: OK}
		g, err := a.Group(ctx, name)
		switch {
		case errors.Is(err, admin.ErrNoGroup):
			f.Text = "may be joined; it is new"
		case err != nil:
			f.Text = "may be joined" // to look at it is another right
		case len(g.Members) == 0:
			f.Text = fmt.Sprintf("may be joined; %d behind, no members", g.Lag())
		default:
			f.Text = fmt.Sprintf("may be joined; %d behind, members: %d", g.Lag(), len(g.Members))
		}
		e.Tell(f)
	}
}

// transactions looks at groups that are drawn with ExactlyOnce.
func (e *Examination) transactions(denials []kafka.Denial, groups []string) {
	missing := map[string]kafka.Denial{}
	for _, d := range denials {
		if d.Group != "" {
			missing[d.Group] = d
		}
	}
	for _, group := range groups {
		id, chosen := e.Cluster.TransactionalID(group)
		f := Finding{What: "transactions", Name: group, Result: OK, Text: "may be written as " + id}
		d, denied := missing[group]
		switch {
		case denied:
			f, _ = refusal("transactions", group, []kafka.Denial{d})
			f.Text = fmt.Sprintf("%s is not allowed to write transactional id %s", d.Who, d.Name)
		case !chosen:
			f.Result = Warn
			f.Text = "have a random id: what a crash leaves open holds up its partitions until producer.transaction_timeout"
			f.Remedy = "set producer.transactional_id, another for each process, or group.instance_id"
		}
		e.Tell(f)
	}
}
