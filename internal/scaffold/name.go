package scaffold

import (
	"fmt"
	"go/build"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName is what DNS, and so Kubernetes, allows a label.
const maxName = 63

// checkName checks the name of a program, which becomes that of a folder, a binary, an image, and the beginning of consumer groups.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("a name is missing: karafgo new shop")
	}
	if i := strings.LastIndexAny(strings.TrimRight(name, `/\`), `/\`); i >= 0 && strings.Trim(name, "./\\") != "" {
		last := strings.Trim(name[i+1:], `/\`)
		return fmt.Errorf("name %q has a slash: only the last element is a name, the rest goes to --module or --dir; try karafgo new %s",
			name, suggest(last))
	}
	bad := strays(name, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' })
	var problem string
	switch {
	case len(bad) > 0:
		problem = fmt.Sprintf("has %s, and may only have a to z, 0 to 9 and hyphens", list(bad))
	case name[0] < 'a' || name[0] > 'z':
		problem = "must begin with a letter"
	case strings.HasSuffix(name, "-"):
		problem = "must not end in a hyphen"
	case name == "vendor" || name == "testdata":
		return fmt.Errorf("name %q is that of folders which Go leaves out of programs: choose another one", name)
	case len(name) > maxName:
		return fmt.Errorf("name of %d characters is too long: it may have %d, as names in DNS", len(name), maxName)
	default:
		return nil
	}
	if better := suggest(name); better != "" {
		problem += "; try " + better
	}
	return fmt.Errorf("name %q %s", name, problem)
}

// strays are the characters of a text that are not allowed, each once.
func strays(text string, allowed func(rune) bool) []string {
	var bad []string
	for _, r := range text {
		shown := fmt.Sprintf("%q", r)
		if r == ' ' {
			shown = "a space"
		}
		if !allowed(r) && !slices.Contains(bad, shown) {
			bad = append(bad, shown)
		}
	}
	return bad
}

func list(items []string) string {
	if len(items) == 1 {
		return items[0]
	}
	last := len(items) - 1
	return strings.Join(items[:last], ", ") + " and " + items[last]
}

// suggest is a name that is allowed and close to one that is not; empty when nothing is left.
func suggest(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	s := b.String()
	return strings.Trim(s[:min(len(s), maxName)], "-")
}

// words splits what is generated into lower-case words: ship-order, ship_order, shipOrder and ShipOrder are the same.
func words(kind, name string) ([]string, error) {
	if bad := strays(name, func(r rune) bool {
		return r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.", r))
	}); len(bad) > 0 {
		problem := fmt.Sprintf("name %q has %s, and may only have letters, digits, hyphens, underscores and dots", name, list(bad))
		if better := suggest(name); better != "" {
			problem += fmt.Sprintf("; try karafgo generate %s %s", kind, better)
		}
		return nil, fmt.Errorf("%s", problem)
	}
	var found []string
	runes := []rune(name)
	start := 0
	cut := func(end int) {
		if end > start {
			found = append(found, strings.ToLower(string(runes[start:end])))
		}
	}
	for i, r := range runes {
		switch {
		case strings.ContainsRune("-_.", r):
			cut(i)
			start = i + 1
		case unicode.IsUpper(r) && i > start &&
			(unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			cut(i)
			start = i
		}
	}
	cut(len(runes))
	if len(found) == 0 || !unicode.IsLetter(rune(found[0][0])) {
		return nil, fmt.Errorf("name %q must begin with a letter", name)
	}
	return found, nil
}

// initialisms are written in capitals, as Go does.
const initialisms = " api csv dns html http https id ip json sku sql tls ui uri url uuid xml "

func camel(words []string) string {
	var b strings.Builder
	for _, w := range words {
		if strings.Contains(initialisms, " "+w+" ") {
			b.WriteString(strings.ToUpper(w))
			continue
		}
		b.WriteString(strings.ToUpper(w[:1]) + w[1:])
	}
	return b.String()
}

// fileName is the name of a Go file for words, without its ending. A last word that the go tool would read as a platform, or as a test, is
// not set apart.
func fileName(words []string) string {
	name := strings.Join(words, "_")
	platform := build.Context{GOOS: "none", GOARCH: "none", Compiler: "gc", OpenFile: func(string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader("package p\n")), nil
	}}
	if plain, err := platform.MatchFile("", name+".go"); err == nil && plain && !strings.HasSuffix(name, "_test") {
		return name
	}
	return strings.Join(words, "")
}
