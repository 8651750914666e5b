package config

import (
	"slices"
	"strings"
)

// nearestPath returns the known path that a mistyped one most likely means, nil when none is close: a
// typo anywhere in the path, a right key in the wrong section, or a key with something added.
func nearestPath(path []string) []string {
	const typo = 4 // a path may be wrong in a quarter of its letters

	// Names in topics and groups are anything, so one that is given is taken as right.
	var name string
	if len(path) > 2 && Nearest(path[0], []string{sectionTopics, sectionGroups}) != "" {
		name = path[1]
	}

	var (
		wrong      = dotted(path)
		last       = path[len(path)-1]
		near, same []string
		nearBy     = max(2, len(wrong)/typo) + 1
		sameBy     = len(wrong) * 2
	)

	rootNode().walk(nil, name, func(known []string) {
		if len(known) < len(path) && slices.Equal(known, path[:len(known)]) {
			return // what has been found already
		}

		key := known[len(known)-1]
		by := distance(wrong, dotted(known))

		if by < nearBy {
			near, nearBy = known, by
		}

		extended := slices.Equal(known[:len(known)-1], path[:len(path)-1]) &&
			(strings.HasPrefix(last, key) || strings.HasPrefix(key, last))
		if (key == last || extended) && by < sameBy {
			same, sameBy = known, by
		}
	})

	if near != nil {
		return near
	}

	return same
}

// Nearest returns the candidate that is closest to a word, empty when none is close.
func Nearest(word string, candidates []string) string {
	const typo = 3 // a word may be wrong in a third of its letters

	best, by := "", max(2, len(word)/typo)+1

	for _, candidate := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < by {
			best, by = candidate, d
		}
	}

	return best
}

// distance counts the letters to insert, delete, replace or swap with their neighbour that turn a
// into b (optimal string alignment). Words are short, so a row of ints per letter is no concern;
// what is long beyond any key is cut, for the sake of a file that is not a configuration at all.
func distance(a, b string) int {
	const longest = 300

	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]

	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}

	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i

		for j := 1; j <= len(b); j++ {
			replace := row[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}

			next[j] = min(row[j]+1, next[j-1]+1, replace)

			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}

		before, row = row, next
	}

	return row[len(b)]
}
