package kafka

import (
	"fmt"
	"strings"
)

// CommitVersion begins the metadata of every commit of ours: kgo would write the member id. It is for those who read it back.
const CommitVersion = "karafgo/1"

// CommitMark is the metadata of a topic's commits: the version, and which topic of that name it is. The zero id is that of a topic whose
// cluster does not tell.
func CommitMark(topic [16]byte) string {
	if topic == ([16]byte{}) {
		return CommitVersion
	}
	return fmt.Sprintf("%s;topic=%x", CommitVersion, topic)
}

// DoneAhead reports whether the metadata of a commit tells of records that are done beyond the committed offset.
func DoneAhead(metadata string) bool {
	return strings.HasPrefix(metadata, CommitVersion) && strings.Contains(metadata, ";done=")
}
