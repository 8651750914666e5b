package consumer

// Headers of records in dead letter and retry topics. Each occurs once: a record that comes by again has them replaced. Numbers are
// decimal text, times are RFC 3339 in UTC with milliseconds.
const (
	// HeaderSourceTopic to HeaderSourceTimestamp say where the record was when it was first consumed.
	HeaderSourceTopic     = "karafgo-source-topic"
	HeaderSourcePartition = "karafgo-source-partition"
	HeaderSourceOffset    = "karafgo-source-offset"
	HeaderSourceTimestamp = "karafgo-source-timestamp"
	// HeaderSourceGroup is the consumer group that could not handle it.
	HeaderSourceGroup = "karafgo-source-group"
	// HeaderAttempts is how often the handler was called for it, in all topics.
	HeaderAttempts = "karafgo-attempts"
	// HeaderError is the last error's text, up to 1,000 bytes, and HeaderErrorType its Go type.
	HeaderError     = "karafgo-error"
	HeaderErrorType = "karafgo-error-type"
	// HeaderFailedAt is when it was written to the topic it is in.
	HeaderFailedAt = "karafgo-failed-at"
	// HeaderRetryAt is when a record in a retry topic is due, HeaderRetryStep the how manieth retry topic it is in, from 1.
	HeaderRetryAt   = "karafgo-retry-at"
	HeaderRetryStep = "karafgo-retry-step"
)
