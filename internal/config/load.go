package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Source names where a configuration is read from. The zero value reads karafgo.yaml if it exists.
type Source struct {
	// File is the path of a YAML file, which must exist. Defaults to the path in KARAFGO_CONFIG, which
	// must exist too, and then to karafgo.yaml in the working directory if it exists.
	File string
	// Environ holds "name=value" pairs, as os.Environ returns them. Defaults to none.
	Environ []string
	// Flags are values by dotted path, such as "kafka.brokers": "a:9092,b:9092". They override all
	// other sources. Defaults to none.
	Flags map[string]string
}

// Load reads all sources and returns the configuration in effect, or one error with every mistake in
// them (see [Problems]).
func Load(src Source) (Config, error) {
	return decode(src.file(), envLayer(src.Environ), flagLayer(src.Flags))
}

// file reads the file of the source. One that cannot be read is a mistake among others.
func (s Source) file() *layer {
	fromEnv := variables(s.Environ)[envFile]
	name := cmp.Or(s.File, fromEnv, defaultFile)
	data, err := os.ReadFile(name)

	switch {
	case err == nil:
		return fileLayer(name, data)
	case s.File == "" && fromEnv == "" && errors.Is(err, fs.ErrNotExist):
		return newLayer(dotted)
	}

	l := newLayer(dotted)

	if cause, ok := errors.AsType[*fs.PathError](err); ok {
		err = cause.Err // the path stands in the place
	}

	what := fmt.Sprintf("cannot read the configuration: %v", err)
	if s.File == "" && fromEnv != "" {
		what += "; " + envFile + " names it"
	}

	l.report(name, nil, what)

	return l
}

// decode merges the layers over the defaults and validates the result.
//
// koanf keeps the layers and knows who wins; its own file and environment providers are not used,
// because they forget where a value stands. Paths are joined by a control character, since koanf
// would split the names of topics at the dot.
func decode(layers ...*layer) (Config, error) {
	var (
		merged   = koanf.New(sep)
		places   = map[string]string{}
		wrong    = map[string]bool{}
		problems []*Problem
	)

	for _, l := range layers {
		if err := merged.Load(confmap.Provider(l.values, ""), nil); err != nil {
			return Config{}, fmt.Errorf("merge configuration: %w", err)
		}

		for path := range l.places { // what overrides a refused value is judged
			delete(wrong, path)
		}

		maps.Copy(places, l.places)
		maps.Copy(wrong, l.wrong)
		problems = append(problems, l.problems...)
	}

	cfg, err := unmarshal(merged)
	if err != nil {
		return Config{}, fmt.Errorf("decode configuration: %w", err)
	}

	cfg.places = places

	for _, f := range cfg.problems() {
		if !slices.ContainsFunc(f.keys, func(key string) bool { return unusable(key, places, wrong) }) {
			problems = append(problems, f.Problem)
		}
	}

	if len(problems) > 0 {
		return Config{}, join(problems)
	}

	return cfg, nil
}

// unusable tells that the value of a key is not the one that was meant: it was refused, or nothing set
// it and a section around it, or the whole file, was refused. It is not judged again then, nor is
// what has to agree with it.
func unusable(key string, places map[string]string, wrong map[string]bool) bool {
	if wrong[key] {
		return true
	}

	if places[key] != "" {
		return false
	}

	for key != "" {
		key = key[:max(0, strings.LastIndex(key, sep))]
		if wrong[key] {
			return true
		}
	}

	return false
}

// unmarshal fills a Config. Every value has been checked and has its type, so that an error here is a
// mistake of this package; ErrorUnused stays on as koanf alone would ignore unknown keys.
func unmarshal(merged *koanf.Koanf) (Config, error) {
	into := func(path string, target any) error {
		return merged.UnmarshalWithConf(path, target, koanf.UnmarshalConf{
			Tag:           "yaml",
			DecoderConfig: &mapstructure.DecoderConfig{ErrorUnused: true},
		})
	}

	cfg := Default()
	if err := into("", &cfg); err != nil {
		return Config{}, err
	}

	if !merged.Exists(joined([]string{sectionGroup, "drain"})) {
		cfg.Group.Drain = defaultDrain(cfg.Group.RebalanceTimeout)
	}

	// A group starts from the common sections, not from zero values, which is what the elements of a
	// map are decoded over.
	common := cfg
	common.Groups = nil
	cfg.Groups = nil

	for _, id := range merged.MapKeys(sectionGroups) {
		own := common.ForGroup(id)
		if err := into(joined([]string{sectionGroups, id}), &own); err != nil {
			return Config{}, err
		}

		// A drain that nobody chose follows the group's own rebalance timeout.
		chosen, forAll := joined([]string{sectionGroups, id, sectionGroup, "drain"}), joined([]string{sectionGroup, "drain"})
		if !merged.Exists(chosen) && !merged.Exists(forAll) {
			own.Group.Drain = defaultDrain(own.Group.RebalanceTimeout)
		}

		if cfg.Groups == nil {
			cfg.Groups = map[string]GroupConfig{}
		}

		cfg.Groups[id] = own
	}

	return cfg, nil
}
