package reference_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"go.yaml.in/yaml/v3"

	"github.com/karafgo/karafgo/internal/reference"
)

const grafana = "../../docs/grafana"

var (
	selected = regexp.MustCompile(`(karafgo_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
	asked    = regexp.MustCompile(`label_values\((karafgo_[a-z_]+)(?:\{[^}]*\})?, ([a-z_]+)\)`)
	shown    = regexp.MustCompile(`\$labels\.([a-z_]+)`)
	legend   = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)
)

var collected = sync.OnceValues(reference.Collected)

// target are labels that Prometheus gives to what it scrapes.
var target = []string{"instance", "job"}

// checkExpr holds an expression of PromQL against the collector: metrics by name and labels.
func checkExpr(g *WithT, where, expr string) []string {
	all, err := collected()
	g.Expect(err).NotTo(HaveOccurred())
	labels := append([]string{"le"}, target...)
	var used []string
	for _, m := range selected.FindAllStringSubmatch(expr, -1) {
		i := slices.IndexFunc(all, func(c reference.Metric) bool {
			if c.Type == "histogram" {
				return slices.Contains([]string{"_bucket", "_sum", "_count"}, strings.TrimPrefix(m[1], c.Name))
			}
			return m[1] == c.Name
		})
		g.Expect(i).To(BeNumerically(">=", 0), "%s: the collector has no metric %s", where, m[1])
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			g.Expect(all[i].Labels).To(ContainElement(l[1]), "%s: %s has no such label", where, m[1])
		}
		used = append(used, all[i].Name)
		labels = append(labels, all[i].Labels...)
	}
	for _, by := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(by[1], ",") {
			g.Expect(labels).To(ContainElement(strings.TrimSpace(label)), "%s: no metric of the expression has such a label: %s", where, expr)
		}
	}
	return used
}

// visible returns the labels that the result of an expression has: those of its outermost grouping, or of the metrics.
func visible(expr string) []string {
	if m := grouping.FindStringSubmatch(expr); m != nil && !strings.Contains(expr, " on (") {
		return strings.Split(strings.ReplaceAll(m[1], " ", ""), ",")
	}
	return target
}

// Every metric and label on the dashboard is the collector's, and nothing of the collector is missing on it.
func TestDashboard(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join(grafana, "karafgo.json"))
	g.Expect(err).NotTo(HaveOccurred())
	type source struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}
	var dashboard struct {
		Title         string `json:"title"`
		SchemaVersion int    `json:"schemaVersion"` //nolint:tagliatelle // Grafana's
		Templating    struct {
			List []struct {
				Name       string          `json:"name"`
				Type       string          `json:"type"`
				Datasource *source         `json:"datasource"`
				Query      json.RawMessage `json:"query"`
			} `json:"list"`
		} `json:"templating"`
		Panels []struct {
			ID         int     `json:"id"`
			Type       string  `json:"type"`
			Title      string  `json:"title"`
			Datasource *source `json:"datasource"`
			GridPos    struct {
				H int `json:"h"`
				W int `json:"w"`
				X int `json:"x"`
				Y int `json:"y"`
			} `json:"gridPos"` //nolint:tagliatelle // Grafana's
			Targets []struct {
				Expr         string `json:"expr"`
				LegendFormat string `json:"legendFormat"` //nolint:tagliatelle // Grafana's
				Datasource   source `json:"datasource"`
			} `json:"targets"`
		} `json:"panels"`
	}
	g.Expect(json.Unmarshal(text, &dashboard)).To(Succeed())
	g.Expect(dashboard.SchemaVersion).To(BeNumerically(">=", 39))
	used, ids := map[string]bool{}, map[int]bool{}
	chosen := source{"prometheus", "${datasource}"}
	variables := map[string]string{}
	for _, v := range dashboard.Templating.List {
		variables[v.Name] = v.Type
		for _, m := range asked.FindAllStringSubmatch(strings.ReplaceAll(string(v.Query), `\"`, `"`), -1) {
			checkExpr(g, "variable "+v.Name, m[1]+`{`+m[2]+`=""}`)
			g.Expect(v.Datasource).To(HaveValue(Equal(chosen)))
		}
	}
	g.Expect(variables).To(Equal(map[string]string{"datasource": "datasource", "group": "query", "topic": "query"}))
	for _, p := range dashboard.Panels {
		g.Expect(ids).NotTo(HaveKey(p.ID), p.Title)
		ids[p.ID] = true
		g.Expect(p.GridPos.X+p.GridPos.W).To(BeNumerically("<=", 24), p.Title)
		if p.Type == "row" {
			continue
		}
		g.Expect(p.Targets).NotTo(BeEmpty(), p.Title)
		g.Expect(p.Datasource).To(HaveValue(Equal(chosen)), p.Title)
		for _, target := range p.Targets {
			g.Expect(target.Datasource).To(Equal(chosen), p.Title)
			for _, name := range checkExpr(g, p.Title, target.Expr) {
				used[name] = true
			}
			for _, l := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
				g.Expect(visible(target.Expr)).To(ContainElement(l[1]), "%s: legend of %s", p.Title, target.Expr)
			}
		}
	}
	all, err := collected()
	g.Expect(err).NotTo(HaveOccurred())
	for _, m := range all {
		g.Expect(used).To(HaveKey(m.Name), "a metric that no panel shows")
	}
}

func TestAlerts(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	file, err := os.Open(filepath.Join(grafana, "alerts.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	var alerts struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	g.Expect(decoder.Decode(&alerts)).To(Succeed())
	names := map[string]bool{}
	for _, group := range alerts.Groups {
		for _, r := range group.Rules {
			g.Expect(names).NotTo(HaveKey(r.Alert))
			names[r.Alert] = true
			g.Expect(checkExpr(g, r.Alert, r.Expr)).NotTo(BeEmpty(), r.Alert)
			g.Expect(r.Labels).To(HaveKeyWithValue("severity", BeElementOf("critical", "warning")), r.Alert)
			g.Expect(r.Annotations).To(And(HaveKey("summary"), HaveKey("description")), r.Alert)
			for _, text := range r.Annotations {
				for _, m := range shown.FindAllStringSubmatch(text, -1) {
					g.Expect(visible(r.Expr)).To(ContainElement(m[1]), "%s: label of the alert", r.Alert)
				}
			}
		}
	}
	g.Expect(len(names)).To(BeNumerically(">=", 10))
}
