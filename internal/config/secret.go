package config

import "fmt"

// Secret is a text that is never printed: not by fmt, not in YAML or JSON, not in an error. Convert it to string where it is used.
type Secret string

// hidden is what is printed instead.
const hidden = "(secret)"

// String returns "(secret)", or nothing when there is none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}

	return hidden
}

// Format implements fmt.Formatter, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText implements encoding.TextMarshaler, which JSON and loggers use.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML implements yaml.Marshaler.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }
