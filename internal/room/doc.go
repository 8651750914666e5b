// Package room has the context of a record that waits for room in a client's buffer.
//
// A client that finds the context of a record ended fails all records of its partition, whoever sent them: a context bounds how long its
// caller waits, and must not be that of the record.
//
//	c := room.Context{Context: ctx}
//	client.Produce(&c, record, promise)
//	c.Leave()
package room
