package config_test

import (
	"math"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/config"
)

var _ = Describe("Bytes", func() {
	DescribeTable("reads and writes sizes",
		func(text string, want config.Bytes, again string) {
			got, err := config.ParseBytes(text)
			Expect(err).NotTo(HaveOccurred())
			Expect(got).To(Equal(want))
			Expect(got.String()).To(Equal(again))
		},
		Entry(nil, "0", config.Bytes(0), "0"),
		Entry(nil, "1", config.Bytes(1), "1"),
		Entry(nil, "1B", config.Bytes(1), "1"),
		Entry(nil, "1024", config.KiB, "1KiB"),
		Entry(nil, "64MiB", 64*config.MiB, "64MiB"),
		Entry(nil, "64 MiB", 64*config.MiB, "64MiB"),
		Entry(nil, "1MB", config.Bytes(1_000_000), "1000000"),
		Entry(nil, "2048GiB", 2*config.TiB, "2TiB"),
		Entry(nil, "-1KB", config.Bytes(-1000), "-1000"),
		Entry(nil, "9223372036854775807", config.Bytes(math.MaxInt64), "9223372036854775807"),
	)

	DescribeTable("refuses what is no size",
		func(text string) {
			_, err := config.ParseBytes(text)
			Expect(err).To(MatchError(config.ErrBytes))
		},
		Entry(nil, ""), Entry(nil, "MiB"), Entry(nil, "1M"), Entry(nil, "1mib"), Entry(nil, "1.5MiB"), Entry(nil, "0x10"),
		Entry(nil, "1e6"), Entry(nil, "1_000"), Entry(nil, "9223372036854775808"), Entry(nil, "8388608TiB"), Entry(nil, "1KiBB"),
	)
})
