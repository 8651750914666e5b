package command

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Count is "1 letter" or "2 letters".
func Count[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Escaped is text with what a terminal would obey, or cannot show, as Go writes it in strings.
func Escaped(text string) string {
	quoted := strconv.QuoteToGraphic(text)
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}

// Printable is text as it is, or as Go writes it where a terminal would obey it, or where it is more than a line.
func Printable(text string) string {
	for _, r := range text {
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			return strconv.Quote(text)
		}
	}
	return text
}

// Cut ends text where a column does, with an ellipsis; 0 columns are no end.
func Cut(text string, columns int) string {
	if runes := []rune(text); columns > 0 && len(runes) > columns {
		return string(runes[:max(columns-1, 0)]) + "…"
	}
	return text
}

// Wrap breaks text between words where a screen ends, 80 columns where there is none, and puts indent before every line.
func Wrap(text, indent string, columns int) string {
	if columns == 0 {
		columns = helpWidth
	}
	var lines []string
	line := indent
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == indent:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns:
			lines = append(lines, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}
