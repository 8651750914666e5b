// Package registry holds codecs for Avro, Protobuf and JSON in the wire format of Confluent's schema registry: a zero byte, the id of the
// writer's schema in four bytes, for Protobuf the position of the message in its file, then the payload
// (https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format).
//
//	client, err := sr.NewClient(sr.URLs("https://registry.example:8081"), sr.BasicAuth("orders", secret))
//	...
//	schemas := registry.New(client)
//	orders, err := schemas.Avro(registry.ValueSubject("orders.created"), orderSchema)
//	...
//	g.Topic("orders.created").Each(consumer.Decoded(orders, p.Price))
//
// A record is read with the schema it was written with, which is asked for once and kept as long as the process lives. For Avro it is
// resolved to the schema that the codec was made with: fields that the writer added are skipped, those it did not have yet take their
// defaults.
//
// Codecs are made without a request. While the registry does not answer, reading and writing fail with consumer.ErrTemporary: the record is
// retried as its route draws, and is no dead letter for that alone.
package registry
