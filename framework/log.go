package framework

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
)

// newLogger logs to standard error: standard output belongs to commands.
func newLogger(cfg config.Log) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(cfg.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	if console(cfg) {
		enc := zap.NewDevelopmentEncoderConfig()
		enc.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		enc.CallerKey = ""
		return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), zapcore.Lock(os.Stderr), level)), nil
	}
	enc := zap.NewProductionEncoderConfig()
	enc.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(enc), zapcore.Lock(os.Stderr), level)), nil
}

func console(cfg config.Log) bool {
	if cfg.Format != config.FormatAuto {
		return cfg.Format == config.FormatConsole
	}
	info, err := os.Stderr.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// defaultSlog makes slog.Default, which middleware.Log and handlers use, follow the same settings.
func defaultSlog(cfg config.Log) {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level)) // validated
	opts := &slog.HandlerOptions{Level: level}
	if console(cfg) {
		slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, opts)))
		return
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, opts)))
}

// eventLog writes events to the log: what needs somebody at warn and error, the life cycle at info, the rest at debug.
type eventLog struct {
	log   *zap.Logger
	sends *rarely
}

func newEventLog(log *zap.Logger) eventLog {
	return eventLog{log: log, sends: &rarely{every: sayAgain}}
}

// rarely lets through one of what would be said over and over, and counts the others.
type rarely struct {
	every time.Duration

	mu     sync.Mutex
	last   time.Time
	unsaid int
}

func (r *rarely) say() (also int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.last) >= r.every {
		also, r.last, r.unsaid = r.unsaid, now, 0
		return also, true
	}
	r.unsaid++
	return 0, false
}

func at(w callbacks.Where) []zap.Field {
	if w.Partition < 0 || w.Topic == "" { // the whole group
		return []zap.Field{zap.String("group", w.Group)}
	}
	return []zap.Field{zap.String("group", w.Group), zap.String("topic", w.Topic), zap.Int32("partition", w.Partition)}
}

func (l eventLog) write(level zapcore.Level, msg string, w callbacks.Where, fields ...zap.Field) {
	if c := l.log.Check(level, msg); c != nil {
		c.Write(append(at(w), fields...)...)
	}
}

// OnEvent implements callbacks.Listener.
func (l eventLog) OnEvent(_ context.Context, ev callbacks.Event) {
	switch e := ev.(type) {
	case callbacks.Handled, callbacks.Fetched, callbacks.Polled, callbacks.Produced, callbacks.Sent: // metrics have them
	case callbacks.Started:
		l.log.Info("group started", zap.String("group", e.Group), zap.Strings("topics", e.Topics))
	case callbacks.Joined:
		l.log.Info("group joined", zap.String("group", e.Group), zap.Int("partitions", e.Partitions))
	case callbacks.Assigned:
		l.write(zap.DebugLevel, "partition assigned", e.Where, zap.Int("epoch", e.Epoch))
	case callbacks.Positioned:
		level := zap.DebugLevel
		if !e.Committed {
			level = zap.InfoLevel
		}
		l.write(level, "partition positioned", e.Where,
			zap.Int64("offset", e.Offset), zap.Bool("committed", e.Committed), zap.String("start", e.Start))
	case callbacks.Revoked:
		l.revoked(e)
	case callbacks.Failed:
		fields := []zap.Field{zap.Int64("offset", e.First), zap.Int("attempt", e.Attempt), zap.Error(e.Err)}
		if e.Last != e.First {
			fields = append(fields, zap.Int64("last_offset", e.Last))
		}
		if e.Panic {
			fields = append(fields, stack(e.Err))
		}
		l.write(zap.WarnLevel, "handler failed", e.Where, fields...)
	case callbacks.Retried:
		l.write(zap.DebugLevel, "retrying", e.Where,
			zap.Int64("offset", e.Offset), zap.Int("attempt", e.Attempt), zap.Duration("delay", e.Delay), zap.Error(e.Err))
	case callbacks.Blocked:
		l.write(zap.ErrorLevel, "partition blocked by a record", e.Where,
			zap.Int64("offset", e.Offset), zap.Int("attempt", e.Attempt), zap.Error(e.Err))
	case callbacks.Skipped:
		l.write(zap.WarnLevel, "record skipped", e.Where, zap.Int64("offset", e.Offset), zap.Error(e.Err))
	case callbacks.RetriedLater:
		l.write(zap.WarnLevel, "record waits in its retry topic", e.Where, zap.Int64("offset", e.Offset), zap.String("to", e.To),
			zap.Duration("delay", e.Delay), zap.Int("attempt", e.Attempt), zap.Error(e.Err))
	case callbacks.DeadLettered:
		l.write(zap.ErrorLevel, "record dead-lettered", e.Where, zap.Int64("offset", e.Offset), zap.String("to", e.To),
			zap.Int("attempt", e.Attempt), zap.Error(e.Err))
	case callbacks.ForwardFailed:
		l.write(zap.ErrorLevel, "record cannot be forwarded, its partition waits", e.Where, zap.Int64("offset", e.Offset),
			zap.String("to", e.To), zap.Error(e.Err))
	case callbacks.ProduceFailed:
		l.write(zap.WarnLevel, "output not acknowledged", e.Where,
			zap.Int64("offset", e.Offset), zap.String("output", e.Output), zap.Error(e.Err))
	case callbacks.SendFailed:
		if also, ok := l.sends.say(); ok {
			l.log.Warn("record not acknowledged", zap.String("topic", e.Topic), zap.Error(e.Err), zap.Int("and_before", also))
		}
	case callbacks.Committed:
		l.write(zap.DebugLevel, "committed", e.Where, zap.Int64("offset", e.Offset))
	case callbacks.CommitFailed:
		l.write(zap.WarnLevel, "commit failed, it will be repeated while the partition is owned", e.Where,
			zap.Int64("offset", e.Offset), zap.Error(e.Err))
	default:
		l.rare(ev)
	}
}

func (l eventLog) revoked(e callbacks.Revoked) {
	level, msg := zap.DebugLevel, "partition revoked"
	if e.Lost {
		level, msg = zap.WarnLevel, "partition lost"
	}
	if !e.Drained {
		level = zap.WarnLevel
	}
	l.write(level, msg, e.Where, zap.Int("epoch", e.Epoch), zap.Bool("drained", e.Drained))
}

func (l eventLog) rare(ev callbacks.Event) {
	switch e := ev.(type) {
	case callbacks.Paused:
		level := zap.DebugLevel
		switch e.Reason {
		case callbacks.PausedUnmarked, callbacks.PausedWindow, callbacks.PausedBreaker,
			callbacks.PausedUser, callbacks.PausedTopic, callbacks.PausedQuiet:
			level = zap.WarnLevel
		}
		l.write(level, "paused", e.Where, zap.String("reason", e.Reason))
	case callbacks.Resumed:
		l.write(zap.DebugLevel, "resumed", e.Where, zap.String("reason", e.Reason))
	case callbacks.FetchFailed:
		l.write(zap.WarnLevel, "fetching reports an error", e.Where, zap.Int("times", e.Count), zap.Error(e.Err))
	case callbacks.MetadataIgnored:
		l.write(zap.WarnLevel, "a commit's metadata cannot be understood, records that it may tell of are handled again", e.Where,
			zap.Int64("offset", e.Offset), zap.Error(e.Err))
	case callbacks.StoreFailed:
		l.write(zap.WarnLevel, "the store of offsets does not answer, its partition waits", e.Where,
			zap.Int64("offset", e.Offset), zap.Error(e.Err))
	case callbacks.Fenced:
		l.write(zap.ErrorLevel, "partition claimed by another owner in the store of offsets: what is in progress is rolled back", e.Where,
			zap.Int64("offset", e.Offset), zap.Int("epoch", e.Epoch))
	case callbacks.Gap:
		l.write(zap.ErrorLevel, "records are gone", e.Where,
			zap.Int64("from", e.From), zap.Int64("to", e.To), zap.String("reason", e.Reason))
	case callbacks.Stale:
		l.write(zap.WarnLevel, "result of a handler dropped: its partition was taken away, or the process stops", e.Where,
			zap.Int64("first", e.First), zap.Int64("last", e.Last))
	case callbacks.Unassigned:
		l.write(zap.WarnLevel, "records dropped: their partition is not assigned", e.Where, zap.Int("records", e.Count))
	case callbacks.TopicMissing:
		l.log.Warn("topic does not exist: it is consumed as soon as it does", zap.String("group", e.Group), zap.String("topic", e.Topic))
	case callbacks.TopicFound:
		l.log.Info("topic found", zap.String("group", e.Group), zap.String("topic", e.Topic))
	case callbacks.TopicRecreated:
		l.log.Warn("topic was deleted and made anew: it is consumed from its first record",
			zap.String("group", e.Group), zap.String("topic", e.Topic))
	case callbacks.TransactionAborted:
		l.log.Warn("transaction aborted: what it had finished is handled again", zap.String("group", e.Group), zap.Error(e.Err))
	case callbacks.HookFailed:
		l.log.Error("hook failed", zap.String("group", e.Group), zap.String("hook", e.Hook), zap.Error(e.Err))
	case callbacks.Stopping:
		l.log.Info("group stopping", zap.String("group", e.Group), zap.NamedError("reason", e.Reason))
	case callbacks.Stopped:
		l.log.Info("group stopped", zap.String("group", e.Group), zap.Bool("clean", e.Clean))
	}
}

// kafkaLog passes on what the client says: its warnings and errors, and all of it at debug. What it says again within sayAgain is left out:
// a client without brokers says the same many times a second.
type kafkaLog struct {
	log  *zap.Logger
	mu   *sync.Mutex
	said map[string]time.Time
}

// lateCommit is how the client tells that a commit was answered while its group came together anew, as groups do that have just begun. Its
// own books of offsets are then not brought up to date; the engine keeps its own, and has that answer.
const lateCommit = "received an OffsetCommitResponse after our group session has ended"

const (
	sayAgain = 10 * time.Second
	sayMost  = 1000 // different things to remember
)

func newKafkaLog(log *zap.Logger) kafkaLog {
	return kafkaLog{log.Named("kafka").WithOptions(zap.WithCaller(false)), &sync.Mutex{}, map[string]time.Time{}}
}

// again reports whether the same was said a moment ago.
func (l kafkaLog) again(msg string, keyvals []any) bool {
	what := msg + fmt.Sprint(keyvals...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if at, ok := l.said[what]; ok && time.Since(at) < sayAgain {
		return true
	}
	if len(l.said) >= sayMost {
		clear(l.said)
	}
	l.said[what] = time.Now()
	return false
}

// Level implements kgo.Logger.
func (l kafkaLog) Level() kgo.LogLevel {
	if l.log.Core().Enabled(zap.DebugLevel) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

// Log implements kgo.Logger.
func (l kafkaLog) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	s := l.log.Sugar()
	switch {
	case level > kgo.LogLevelWarn, strings.HasPrefix(msg, lateCommit):
		s.Debugw(msg, keyvals...)
	case !l.again(msg, keyvals): // what the client cannot mend reaches the engine, and its log, as an error
		s.Warnw(msg, keyvals...)
	}
}

func stack(err error) zap.Field {
	if p, ok := errors.AsType[*consumer.PanicError](err); ok {
		return zap.ByteString("stack", p.Stack)
	}
	return zap.Skip()
}
