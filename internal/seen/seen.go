// Package seen has the rules by which an id is a copy of one before it. They hold wherever ids are remembered: package middleware does so
// in memory, package sqlstore in a database.
package seen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/karafgo/karafgo/offsets"
)

// Topic is the topic that a partition's ids are told apart in. A record that waits in a retry topic belongs to the one that it came from:
// its copy there is the same.
func Topic(p offsets.Partition) string {
	topic, _, _ := strings.Cut(p.Topic, "."+p.Group+".retry.") // as router.RetryTopic makes it
	return topic
}

// Distinct returns the ids, each once, in an order that is the same for all: who takes one after the other in it does not lock up with
// others that do. The empty text is no id.
func Distinct(ids []string) []string {
	distinct := slices.Sorted(slices.Values(ids))
	distinct = slices.Compact(distinct)
	if len(distinct) > 0 && distinct[0] == "" {
		distinct = distinct[1:]
	}
	return distinct
}

// Copies tells which of the ids are copies, when those in fresh were not remembered: all others, and of two alike the second.
func Copies(ids []string, fresh map[string]bool) []bool {
	copies := make([]bool, len(ids))
	first := map[string]bool{}
	for i, id := range ids {
		if id == "" {
			continue
		}
		copies[i] = !fresh[id] || first[id]
		first[id] = true
	}
	return copies
}

// Mark is the last id of a partition, if there was one.
type Mark struct {
	ID    int64
	Valid bool
}

// Grown tells which of the ids are copies, because they are not greater than the one before, and which is the last then.
func Grown(ids []string, last Mark) (copies []bool, next Mark, err error) {
	copies, next = make([]bool, len(ids)), last
	for i, text := range ids {
		if text == "" {
			continue
		}
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, last, fmt.Errorf("id %q is no whole number of 64 bits: ids that are not numbers need a Set", text)
		}
		if copies[i] = next.Valid && id <= next.ID; !copies[i] {
			next = Mark{ID: id, Valid: true}
		}
	}
	return copies, next, nil
}

// InOrder returns an error for the partition of a route without order.
func InOrder(p offsets.Partition) error {
	if p.ID < 0 {
		return fmt.Errorf("records of topic %s are handled side by side in group %q, in an order in which ids do not grow: "+
			"use a Set, or draw the route by partition", p.Topic, p.Group)
	}
	return nil
}
