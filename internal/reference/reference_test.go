package reference_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/reference"
)

const pages = "../../docs/reference"

func TestPagesAreCurrent(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	metrics, err := reference.Metrics()
	g.Expect(err).NotTo(HaveOccurred())
	events, err := reference.Events("../../callbacks")
	g.Expect(err).NotTo(HaveOccurred())
	for name, want := range map[string][]byte{"metrics.md": metrics, "events.md": events} {
		got, err := os.ReadFile(filepath.Join(pages, name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(got)).To(Equal(string(want)), "docs/reference/%s is not current: run go generate ./internal/reference", name)
	}
}

// What the page says of metrics is what Prometheus gets, and of every metric that the collector describes.
func TestCollected(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	all, err := reference.Collected()
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string]reference.Metric{}
	for _, m := range all {
		found[m.Name] = m
	}
	g.Expect(len(found)).To(BeNumerically(">=", 30))
	g.Expect(found["karafgo_messages_processed_total"]).To(And(
		HaveField("Type", "counter"), HaveField("Labels", []string{"group", "status", "topic"}),
		HaveField("Values", HaveKeyWithValue("status", ConsistOf("success", "failed", "skipped")))))
	g.Expect(found["karafgo_lag"]).To(And(HaveField("Type", "gauge"), HaveField("Labels", []string{"group", "partition", "topic"})))
	g.Expect(found["karafgo_processing_duration_seconds"]).To(And(
		HaveField("Type", "histogram"), HaveField("Buckets", ContainElement(0.512))))
}

func TestEvents(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	page, err := reference.Events("../../callbacks")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(page)).To(And(
		ContainSubstring("\n## Blocked\n"),
		ContainSubstring("\nBlocked says that a record"),
		ContainSubstring("	// To is the dead letter topic.\n	To      string\n"),
		ContainSubstring("	PausedQueue = \"queue\"\n"),
		ContainSubstring("	GapRetention = \"retention\"\n"),
		ContainSubstring("	BeforePoll func(ctx context.Context, group string) error\n"),
		Not(ContainSubstring("event()"))))

	empty := t.TempDir()
	_, err = reference.Events(empty)
	g.Expect(err).To(MatchError(ContainSubstring("find type Where")))
	g.Expect(os.WriteFile(filepath.Join(empty, "a.go"), []byte("package callbacks\n\ntype Where struct{}\n\ntype Hooks struct{}\n"), 0o600)).To(Succeed())
	_, err = reference.Events(empty)
	g.Expect(err).To(MatchError(ContainSubstring("no type has a method event")))
}

func TestCommands(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	run := func(*cobra.Command, []string) error { return nil }
	root := &cobra.Command{Use: "test.binary", Short: "Does things", RunE: run}
	root.PersistentFlags().String("config", "", "configuration `file`")
	sub := &cobra.Command{
		Use: "sub <topic>", Short: "Short", RunE: run, Example: "  test.binary sub a\n  test.binary sub b | wc",
		Long: "Long text\nin two lines.\n\nExit codes:\n  0 good\n  1 bad\n\nMore:\n\n  code\nEnd.",
	}
	sub.Flags().IntP("limit", "n", 100, "a|b")
	sub.Flags().Bool("secret", false, "")
	g.Expect(sub.Flags().MarkHidden("secret")).To(Succeed())
	root.AddCommand(sub, &cobra.Command{Use: "hidden", Hidden: true, RunE: run})
	g.Expect(string(reference.Commands(root, "program", "# Title\n"))).To(Equal("# Title\n" +
		"\n| command | |\n|---|---|\n| [`program sub`](#program-sub) | Short |\n" +
		"\n## program\n\nDoes things\n" +
		"\nFlags of this and the commands below it:\n\n| flag | default | |\n|---|---|---|\n| `--config` file |  | configuration file |\n" +
		"\n## program sub\n\nLong text\nin two lines.\n\nExit codes:\n\n```text\n0 good\n1 bad\n```\n\nMore:\n\n```text\ncode\n```\n\nEnd.\n" +
		"\n```text\nprogram sub <topic> [flags]\n```\n" +
		"\nFlags:\n\n| flag | default | |\n|---|---|---|\n| `-n`, `--limit` number | `100` | a\\|b |\n" +
		"\n```sh\nprogram sub a\nprogram sub b | wc\n```\n"))
	g.Expect(root.Name()).To(Equal("test.binary"))
}
