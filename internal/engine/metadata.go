package engine

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/karafgo/karafgo/internal/kafka"
)

// metadataLimit is what brokers accept of a commit's metadata by default (offset.metadata.max.bytes).
const metadataLimit = 4096

// span is the offsets from to to, without to.
type span struct{ from, to int64 }

// spans are done offsets above a committed one, ascending and apart.
type spans []span

func (s spans) has(offset int64) bool {
	for _, x := range s {
		if offset < x.to {
			return offset >= x.from
		}
	}
	return false
}

// after leaves out what is below an offset.
func (s spans) after(offset int64) spans {
	for len(s) > 0 && s[0].to <= offset {
		s = s[1:]
	}
	return s
}

func (s spans) count() (n int64) {
	for _, x := range s {
		n += x.to - x.from
	}
	return n
}

// withDone adds to metadata which records above the committed offset are done: lengths of holes and of what is done, in turn. What does not
// fit is left out, from the end, and delivered again after a restart.
func withDone(metadata string, base position, done spans) string {
	if len(done) == 0 {
		return metadata
	}
	head := fmt.Sprintf("%s;base=%d;epoch=%d;done=", metadata, base.offset, base.epoch)
	most := base64.RawURLEncoding.DecodedLen(metadataLimit - len(head))
	var lengths []byte
	at := base.offset
	for _, s := range done {
		next := binary.AppendUvarint(lengths, uint64(s.from-at))
		next = binary.AppendUvarint(next, uint64(s.to-s.from))
		if len(next) > most {
			break
		}
		lengths, at = next, s.to
	}
	if len(lengths) == 0 {
		return metadata
	}
	return head + base64.RawURLEncoding.EncodeToString(lengths)
}

// field is the value of a field of metadata of ours.
func field(metadata, name string) (string, bool) {
	rest, ours := strings.CutPrefix(metadata, kafka.CommitVersion)
	if !ours {
		return "", false
	}
	for part := range strings.SplitSeq(rest, ";") {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// topicID reads the topic out of metadata that mark made. What others wrote, or somebody changed, says nothing.
func topicID(metadata string) (id [16]byte, ok bool) {
	text, ok := field(metadata, "topic")
	if !ok || len(text) != hex.EncodedLen(len(id)) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(text))
	return id, err == nil
}

// foreign reports whether an offset was committed for another topic of the same name, one that was deleted since.
func foreign(metadata, mark string) bool {
	was, ok := topicID(metadata)
	is, known := topicID(mark)
	return ok && known && was != is
}

// doneIn reads which records above a committed offset are done. It is nothing unless all is as it was written, and for this very offset: a
// record must never count as done that is not.
func doneIn(metadata string, committed position) (done spans, err error) {
	text, ok := field(metadata, "done")
	if !ok {
		return nil, nil
	}
	base, _ := field(metadata, "base")
	epoch, _ := field(metadata, "epoch")
	if base != strconv.FormatInt(committed.offset, 10) || epoch != strconv.FormatInt(int64(committed.epoch), 10) {
		return nil, fmt.Errorf("it was written for offset %s of epoch %s, and %d of epoch %d is committed",
			base, epoch, committed.offset, committed.epoch)
	}
	lengths, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("it cannot be decoded: %w", err)
	}
	for at := committed.offset; len(lengths) > 0; {
		var both [2]uint64
		for i := range both {
			n, size := binary.Uvarint(lengths)
			if size <= 0 || n == 0 && i == 1 || n > 1<<40 {
				return nil, fmt.Errorf("it cannot be decoded: length %d of a run", n)
			}
			both[i], lengths = n, lengths[size:]
		}
		from := at + int64(both[0])
		at = from + int64(both[1])
		done = append(done, span{from, at})
	}
	return done, nil
}
