package framework

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestClientsLog(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	core, seen := observer.New(zap.DebugLevel)
	l := newKafkaLog(zap.New(core))
	for range 2 {
		l.Log(kgo.LogLevelWarn, "unable to join group", "group", "g")
		l.Log(kgo.LogLevelError, "unable to open connection to broker", "addr", "a")
	}
	l.Log(kgo.LogLevelWarn, lateCommit+", unable to handle this (were we kicked from the group?)")
	l.Log(kgo.LogLevelInfo, "joined")
	var levels []zapcore.Level
	for _, e := range seen.All() {
		levels = append(levels, e.Level)
	}
	g.Expect(levels).To(Equal([]zapcore.Level{zap.WarnLevel, zap.WarnLevel, zap.DebugLevel, zap.DebugLevel}),
		"the same only once, and nothing that is none of the reader's business")
}
