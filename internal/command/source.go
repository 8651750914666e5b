package command

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/config"
)

// Source is where the configuration of a command line comes from: a file, the environment, and flags.
type Source struct {
	file    string
	brokers []string
	set     []string
}

// Flags adds --config, --brokers and --set to a command and those below it.
func (s *Source) Flags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&s.file, "config", "", "configuration file (default karafgo.yaml, if there is one)")
	flags.StringSliceVar(&s.brokers, "brokers", nil, "brokers to connect to first, host:port, separated by commas")
	flags.StringArrayVar(&s.set, "set", nil, "set a configuration value, such as shutdown.drain=45s (may be repeated)")
}

// Load reads the configuration, with values of other flags by path; its error lists every mistake.
func (s *Source) Load(more map[string]string) (config.Config, error) {
	flags := map[string]string{}
	var errs []error
	for _, set := range s.set {
		path, value, ok := strings.Cut(set, "=")
		if !ok {
			errs = append(errs, fmt.Errorf("--set %s: want path=value, such as --set shutdown.drain=45s", set))
			continue
		}
		flags[path] = value
	}
	if len(s.brokers) > 0 {
		flags["kafka.brokers"] = strings.Join(s.brokers, ",")
	}
	maps.Copy(flags, more)
	cfg, err := config.Load(config.Source{File: s.file, Environ: os.Environ(), Flags: flags})
	return cfg, errors.Join(append(errs, err)...)
}
