package offsets_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/offsets"
)

func TestOffsets(t *testing.T) {
	t.Parallel()
	RegisterFailHandler(Fail)
	RunSpecs(t, "offsets")
}

var _ = Describe("Mode", func() {
	It("has the names that route tables print, and is automatic by default", func() {
		var zero offsets.Mode
		Expect(zero.String()).To(Equal("automatic"))
		Expect(offsets.Manual.String()).To(Equal("manual"))
		Expect(offsets.Mode(9).String()).To(Equal("unknown"))
	})
})
