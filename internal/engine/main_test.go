package engine_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(testMember); text != "" {
		if err := live(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:forbidigo // it is the main function of a member process
		}
		os.Exit(0) //nolint:forbidigo // as above
	}
	goleak.VerifyTestMain(m)
}
