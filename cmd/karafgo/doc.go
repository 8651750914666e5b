// Command karafgo makes, runs and operates programs that consume from Kafka.
package main
