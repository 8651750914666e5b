package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes. It is written as a whole number with or without a unit: 1048576, 1MiB
// (powers of 1024: KiB, MiB, GiB, TiB) or 1MB (powers of 1000: KB, MB, GB, TB).
type Bytes int64

// The binary units, for code that computes sizes.
const (
	KiB Bytes = 1 << 10
	MiB Bytes = 1 << 20
	GiB Bytes = 1 << 30
	TiB Bytes = 1 << 40
)

// ErrBytes reports a text that is no size. Write a whole number of bytes or one with a unit.
var ErrBytes = errors.New("not a size in bytes: write a whole number such as 1048576, or with a unit, such as 64MiB or 1MB")

// byteUnits is ordered for printing: the largest binary unit that divides a size comes first. The
// plain B stands last because every other unit ends in it too.
var byteUnits = []struct { //nolint:gochecknoglobals // a constant table; Go has no constant slices
	suffix string
	size   Bytes
}{
	{"TiB", TiB},
	{"GiB", GiB},
	{"MiB", MiB},
	{"KiB", KiB},
	{"TB", 1e12},
	{"GB", 1e9},
	{"MB", 1e6},
	{"KB", 1e3},
	{"B", 1},
}

// ParseBytes reads a size. A bare K or M is refused, since half of its readers take it for 1000 and
// half for 1024.
func ParseBytes(text string) (Bytes, error) {
	number, unit := text, Bytes(1)

	for _, u := range byteUnits {
		if before, ok := strings.CutSuffix(text, u.suffix); ok {
			number, unit = strings.TrimSpace(before), u.size

			break
		}
	}

	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit) {
		return 0, fmt.Errorf("%q is %w", text, ErrBytes)
	}

	return Bytes(n) * unit, nil
}

// String writes the size in the largest binary unit that loses nothing.
func (b Bytes) String() string {
	for _, u := range byteUnits[:4] {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.suffix
		}
	}

	return strconv.FormatInt(int64(b), 10)
}

// MarshalYAML writes a bare number where there is no unit, and text otherwise.
func (b Bytes) MarshalYAML() (any, error) {
	if text := b.String(); strings.HasSuffix(text, "B") {
		return text, nil
	}

	return int64(b), nil
}
