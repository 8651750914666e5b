// Package lines writes and reads records as lines of JSON: what produce reads, tail prints, and sample records are kept as.
//
//	{"topic":"orders","partition":0,"offset":17,"timestamp":"2026-11-21T06:30:00.000Z","key":"o-1","value":"{\"id\":1}","headers":[]}
//
// A text is what the record has, byte for byte. When it is read, any other JSON stands for its own compact text, so that values can be
// written without quoting: "value":{"id":1}. null, or no field at all, is null; a record whose value is null is a tombstone. What is not
// UTF-8 stands in key_base64 or value_base64 instead. Headers are a list, {"key":"trace","value":"abc"}, in which a key may come twice; an
// object, {"trace":"abc"}, is read too.
package lines
