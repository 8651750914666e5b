package engine

// DoneIn counts the offsets above a committed one that a commit's metadata says are done.
func DoneIn(metadata string, offset int64, epoch int32) (int64, error) {
	done, err := doneIn(metadata, position{offset, epoch})
	return done.count(), err
}
