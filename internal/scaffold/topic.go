package scaffold

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Topic is a topic to be declared.
type Topic struct {
	Place

	Name string
	// Partitions are 0 for the cluster's default.
	Partitions int
	// Payload is the name of the type of its values, made when the package does not have it. Defaults to one of the topic's name.
	Payload string
}

// DefaultPartitions is what topics are declared with: Kafka's own default of one leaves no room for a second process.
const DefaultPartitions = 6

// Topic plans a topic: a variable with the type of its values, and its declaration.
func (m *Module) Topic(t Topic) (*Plan, error) {
	if err := checkTopic(t.Name); err != nil {
		return nil, err
	}
	if t.Partitions < 0 {
		return nil, fmt.Errorf("--partitions %d: want at least 1, or 0 for the cluster's default", t.Partitions)
	}
	g, err := m.generator(Place{Package: t.Package})
	if err != nil {
		return nil, err
	}
	var v topicVar
	if _, err := g.topic(t.Name, t.Payload, &v); err != nil {
		return nil, err
	}
	if err := g.declaration(v, t.Partitions); err != nil {
		return nil, err
	}
	_, err = g.step(g.topicFile())
	return g.Plan, err
}

// sample finds the variable of a topic that is consumed, or adds one, with a record for `karafgo dev` to produce.
func (g *generator) sample(name string, t *topicVar) error {
	fresh, err := g.topic(name, "", t)
	if err != nil || !fresh {
		return err
	}
	line, err := json.Marshal(map[string]any{"key": "1", "value": map[string]string{"id": "1"}})
	if err != nil {
		return err
	}
	file := path.Join("testdata", name+".jsonl")
	if s, err := g.step(file); err != nil || s.before != nil {
		return err
	}
	return g.create(file, append(line, '\n'))
}

// output finds the variable of a topic that is written, or adds it and declares the topic: it is this program's.
func (g *generator) output(name string, t *topicVar) error {
	fresh, err := g.topic(name, "", t)
	if err != nil || !fresh {
		return err
	}
	return g.declaration(*t, DefaultPartitions)
}

// topic finds the variable of a topic, or adds one.
func (g *generator) topic(name, payload string, t *topicVar) (fresh bool, err error) {
	for _, have := range g.pkg.topics() {
		if have.Name != name {
			continue
		}
		if payload != "" && have.Payload != payload {
			return false, fmt.Errorf("topic %s has %s for its values already, at %s", name, have.Payload, g.pkg.at(have.pos))
		}
		if have.maker != "JSONTopic" || !g.pkg.structs[have.Payload] {
			return false, fmt.Errorf("topic %s, at %s, is no responder.JSONTopic of a struct of its package: write this by hand",
				name, g.pkg.at(have.pos))
		}
		*t = have
		return false, nil
	}
	if err := g.newTopic(name, payload, t); err != nil {
		return false, err
	}
	text, err := execute(path.Join(generateTemplates, "topic.go"+suffix), t)
	if err != nil {
		return false, err
	}
	added := "var " + t.Var
	if t.New {
		added += ", type " + t.Payload
	}
	return true, g.declare(g.topicFile(), added, text, ModulePath+"/responder")
}

// topicFile is where topics are.
func (g *generator) topicFile() string {
	for _, name := range g.m.marked(MarkDeclare) {
		if path.Dir(name) == g.pkg.dir {
			return name
		}
	}
	return path.Join(g.pkg.dir, "topics.go")
}

// newTopic names variable and type of a topic that the package does not have.
func (g *generator) newTopic(name, payload string, t *topicVar) error {
	if err := checkTopic(name); err != nil {
		return err
	}
	all, err := words("topic", name)
	if err != nil {
		return err
	}
	t.Name = name
	whole := camel(all)
	if t.Var = g.free(whole, whole+"Topic"); t.Var == "" {
		return fmt.Errorf("%s and %sTopic are declared, so the variable of topic %s has no name: add it by hand", whole, whole, name)
	}
	g.taken = append(g.taken, t.Var)
	if payload != "" {
		pos, declared := g.pkg.decls[payload]
		if !token.IsIdentifier(payload) || !token.IsExported(payload) || declared && !g.pkg.structs[payload] || payload == t.Var {
			where := ""
			if declared {
				where = ", at " + g.pkg.at(pos)
			}
			return fmt.Errorf("--payload %s is no name for a struct%s: want one such as Shipment", payload, where)
		}
		t.Payload, t.New = payload, !declared
		return nil
	}
	last := whole
	if i := strings.LastIndexByte(name, '.'); i >= 0 && i+1 < len(name) {
		if tail, err := words("topic", name[i+1:]); err == nil {
			last = camel(tail)
		}
	} else if strings.HasSuffix(last, "s") && !strings.HasSuffix(last, "ss") {
		last = strings.TrimSuffix(last, "s")
	}
	t.New = true
	if t.Payload = g.free(last, whole+"Payload"); t.Payload == "" {
		return fmt.Errorf("%s and %sPayload are declared already: name the type of its values by karafgo generate topic %s --payload TYPE",
			last, whole, name)
	}
	g.taken = append(g.taken, t.Payload)
	return nil
}

// free is the first name that is not declared, empty when all are.
func (g *generator) free(names ...string) string {
	for _, name := range names {
		if _, declared := g.pkg.decls[name]; !declared && !slices.Contains(g.taken, name) {
			return name
		}
	}
	return ""
}

// declaration declares a topic, unless it is declared.
func (g *generator) declaration(t topicVar, partitions int) error {
	if at, ok := g.m.declares(t, g.pkg); ok {
		_, err := g.step(at[:strings.LastIndexByte(at, ':')])
		return err
	}
	file := g.topicFile()
	s, err := g.step(file)
	if err != nil {
		return err
	}
	more := ""
	if partitions > 0 {
		more = fmt.Sprintf(", router.Partitions(%d)", partitions)
	}
	line := fmt.Sprintf("%s.Declare(%s.Name()%s)", routerBefore(s.after), t.Var, more)
	return g.mark(file, MarkDeclare, line, "where routes are drawn, such as")
}

// routerBefore is what the router is called where topics are declared.
func routerBefore(text []byte) string {
	at, ok := lineOf(text, MarkDeclare)
	if !ok {
		return "r"
	}
	before := strings.Join(strings.SplitAfter(string(text), "\n")[:at], "")
	all := regexp.MustCompile(`(\w+) \*router\.Router\b`).FindAllStringSubmatch(before, -1)
	if len(all) == 0 {
		return "r"
	}
	return all[len(all)-1][1]
}

const maxTopic = 249 // bytes, Kafka's own limit

func checkTopic(name string) error {
	bad := strays(name, func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
	})
	switch {
	case name == "":
		return errors.New("the topic's name is empty: want one such as orders.shipped")
	case len(bad) > 0:
		return fmt.Errorf("topic %q has %s: Kafka allows letters, digits, dots, underscores and hyphens", name, list(bad))
	case len(name) > maxTopic:
		return fmt.Errorf("topic's name of %d characters is too long: Kafka allows %d", len(name), maxTopic)
	default:
		return nil
	}
}
