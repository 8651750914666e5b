package work

import (
	"encoding/binary"
	"fmt"
)

// Changed is the last byte of every output. Inputs are hexadecimal digits.
const Changed = 'x'

// sourceShift leaves 48 bits for the number.
const sourceShift = 48

// Number writes into the first bytes of a value where it is from: the n-th record of a partition.
func Number(value []byte, source int, n int64) {
	binary.BigEndian.PutUint64(value, uint64(source)<<sourceShift|uint64(n))
}

// NumberOf reads it.
func NumberOf(value []byte) (source int, n int64) {
	const mask = 1<<sourceShift - 1
	v := binary.BigEndian.Uint64(value)
	return int(v >> sourceShift), int64(v & mask)
}

// Keys are those of outputs that are made without an input.
func Keys() [][]byte {
	const many = 10_000
	keys := make([][]byte, many)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key-%06d", i)
	}
	return keys
}
