package guide_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.yaml.in/yaml/v3"

	"github.com/karafgo/karafgo/framework"
)

// manifest is what the guide's manifests for Kubernetes have that concerns a karafgo program.
type manifest struct {
	Kind string            `yaml:"kind"`
	Data map[string]string `yaml:"data"`
	Spec struct {
		Replicas int `yaml:"replicas"`
		Template struct {
			Spec struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"` //nolint:tagliatelle // Kubernetes'
				Containers []struct {
					Env []struct {
						Name  string `yaml:"name"`
						Value string `yaml:"value"`
						From  any    `yaml:"valueFrom"` //nolint:tagliatelle // as above
					} `yaml:"env"`
					Ports []struct {
						Port int `yaml:"containerPort"` //nolint:tagliatelle // as above
					} `yaml:"ports"`
				} `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

func isManifest(text string) bool { return strings.HasPrefix(text, "apiVersion:") }

func manifests(g *WithT, text string) []manifest {
	var all []manifest
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var m manifest
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			return all
		}
		g.Expect(err).NotTo(HaveOccurred(), text)
		all = append(all, m)
	}
}

// The configuration in manifests loads, from files and from the environment, and its stop fits into the time that the platform gives.
func TestManifests(t *testing.T) { //nolint:paralleltest // it sets the environment
	g := NewWithT(t)
	files, environments := 0, 0
	for page, text := range pages(g) {
		for _, block := range blocks(text, "yaml") {
			if !isManifest(block) {
				continue
			}
			name := filepath.Join(t.TempDir(), "none.yaml")
			g.Expect(os.WriteFile(name, nil, 0o600)).To(Succeed())
			for _, m := range manifests(g, block) {
				for file, text := range m.Data {
					files++
					name = filepath.Join(t.TempDir(), file)
					g.Expect(os.WriteFile(name, []byte(text), 0o600)).To(Succeed())
				}
				t.Run(page+" "+m.Kind, func(t *testing.T) {
					g := NewWithT(t)
					for _, c := range m.Spec.Template.Spec.Containers {
						for _, e := range c.Env {
							if e.From != nil {
								e.Value = "orders-0"
							}
							if strings.HasPrefix(e.Name, "KARAFGO_") && e.Name != "KARAFGO_CONFIG" {
								environments++
								t.Setenv(e.Name, e.Value)
							}
						}
					}
					cfg, err := framework.LoadConfig(name)
					g.Expect(err).NotTo(HaveOccurred())
					for _, c := range m.Spec.Template.Spec.Containers {
						for _, port := range c.Ports {
							g.Expect(cfg.HTTP.Listen).To(Equal(fmt.Sprintf(":%d", port.Port)))
						}
					}
					if seconds := m.Spec.Template.Spec.Grace; seconds > 0 {
						g.Expect(time.Duration(seconds) * time.Second).To(BeNumerically(">", cfg.Shutdown.Drain+cfg.Shutdown.Grace+10*time.Second))
					}
				})
			}
		}
	}
	g.Expect(files).To(BeNumerically(">=", 1), "configuration files found")
	g.Expect(environments).To(BeNumerically(">=", 3), "variables found")
}
