// Package kafka is what karafgo needs of a Kafka client: narrow interfaces that the engine is written against, and their
// implementation on franz-go.
//
// The interfaces exist for the engine's tests and for the test kit, which drive the real engine without a broker.
package kafka
