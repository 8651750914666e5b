package config_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/config"
)

func TestConfig(t *testing.T) {
	t.Parallel()

	RegisterFailHandler(Fail)
	RunSpecs(t, "config")
}

// document loads YAML alone.
func document(yaml string) (config.Config, error) {
	return config.LoadDocument([]byte(yaml), nil, nil)
}

// mistakes loads YAML alone and returns the lines of its error, none without an error.
func mistakes(yaml string) []string {
	_, err := document(yaml)

	return lines(err)
}

func lines(err error) []string {
	var lines []string
	for _, p := range config.Problems(err) {
		lines = append(lines, p.Error())
	}

	return lines
}
