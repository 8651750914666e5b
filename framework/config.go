package framework

import (
	"os"

	"github.com/karafgo/karafgo/internal/config"
)

// Config is the configuration of a process: docs/reference/config.md. Start from DefaultConfig or LoadConfig; zero values are
// refused.
type Config = config.Config

// TopicConfig is a value of Config.Topics.
type TopicConfig = config.Topic

// GroupConfig is a value of Config.Groups.
type GroupConfig = config.GroupConfig

// Secret is a text of the configuration that is never printed.
type Secret = config.Secret

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return config.Default() }

// LoadConfig reads the defaults, a YAML file and the environment (KARAFGO_SHUTDOWN__DRAIN=45s), in that order. An empty name reads
// karafgo.yaml if there is one. Its error names every mistake, with place and remedy.
func LoadConfig(file string) (Config, error) {
	return config.Load(config.Source{File: file, Environ: os.Environ()}) //nolint:wrapcheck // each mistake says its place
}
