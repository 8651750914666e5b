package testkit_test

import "testing"

// goTest stands for `go test` where an example shows tests: TestExamples runs them.
func goTest(...func(*testing.T)) {}

func TestExamples(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"mail is retried":           testMailIsRetried,
		"mail survives a rebalance": testMailSurvivesARebalance,
		"clicks":                    testClicks,
		"transfer is booked once":   testTransferIsBookedOnce,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}
