package main

import (
	"errors"
	"slices"
	"time"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/router"
)

// What OnFailure draws when handlers fail: retries in place, two retry topics, dead letters.
const (
	retries     = 2
	backoff     = 20 * time.Millisecond
	soon, later = time.Second, 3 * time.Second
	letters     = topic + ".dlq"
)

// stages are the topics through which a record goes whose handler fails, and how long it waits before its attempt there.
//
//nolint:gochecknoglobals // constant
var stages = []struct {
	topic string
	delay time.Duration
}{{topic, 0}, {router.RetryTopic(topic, group, soon), soon}, {router.RetryTopic(topic, group, later), later}, {letters, 0}}

const lettersStage = 3

// stageOf is the place of a topic in them.
func stageOf(name string) int {
	for i, s := range stages {
		if s.topic == name {
			return i
		}
	}
	return -1
}

func steps() []router.Step {
	return []router.Step{router.Retry(retries, backoff), router.RetryLater(soon, later), router.DeadLetter(letters)}
}

var (
	errFirst     = errors.New("fails at first")
	errPoison    = errors.New("fails for ever")
	errPermanent = consumer.Permanent(errors.New("fails, and says that it will for ever"))
)

// fate is what becomes of a record. It depends on its number alone, so that every member agrees, and the checker knows.
type fate struct {
	fails int   // so often in place
	stage int   // where it succeeds, or ends
	err   error // with which it fails
}

// fateOf is the fate of a record; when failing is false, the worst is a failure in place.
func fateOf(seq int64, failing bool) fate {
	switch {
	case failing && seq%211 == 0:
		return fate{retries + 1, lettersStage, errPermanent}
	case failing && seq%199 == 0:
		return fate{retries + 1, lettersStage, errPoison}
	case failing && seq%103 == 0:
		return fate{retries + 1, 2, errFirst}
	case failing && seq%101 == 0:
		return fate{retries + 1, 1, errFirst}
	case failing && seq%89 == 0:
		return fate{retries, 0, errFirst}
	case seq%97 == 0:
		return fate{1, 0, errFirst}
	}
	return fate{}
}

// fail is what the handler returns for an attempt.
func (f fate) fail(stage, attempt int) error {
	if stage < f.stage || stage == 0 && attempt <= f.fails {
		return f.err
	}
	return nil
}

// permanent tells whether it fails without another attempt.
func (f fate) permanent() bool { return errors.Is(f.err, errPermanent) }

// before is the stage from which a record comes to another one.
func (f fate) before(stage int) int {
	if stage == lettersStage && f.permanent() {
		return 0
	}
	return stage - 1
}

// passes tells whether a record comes to a stage.
func (f fate) passes(stage int) bool {
	return stage == 0 || stage <= f.stage && (stage == lettersStage || !f.permanent())
}

// attempts are how many a record has had when it is written to a stage.
func (f fate) attempts(stage int) int {
	if f.permanent() {
		return 1
	}
	return retries + stage
}

// consumed are the topics of the group.
func consumed(failing bool) (names []string) {
	if !failing {
		return []string{topic}
	}
	for _, s := range stages[:lettersStage] {
		names = append(names, s.topic)
	}
	return names
}

// forwardedTo are the topics to which it passes records on.
func forwardedTo() []string { return append(slices.Clone(consumed(true)[1:]), letters) }

// writtenTo are the topics to which the group writes.
func (o options) writtenTo() (names []string) {
	if o.failing {
		names = forwardedTo()
	}
	if o.respond {
		names = append(names, answeredTo()...)
	}
	return names
}
