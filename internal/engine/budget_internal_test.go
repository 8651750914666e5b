//go:build !race

package engine

import (
	"encoding/json"
	"os"
	"testing"

	. "github.com/onsi/gomega"
)

// ofTheTest is what hotPath itself allocates for a fetch: the list of records, and what stands for the client's answer.
const ofTheTest = 4

type budgetOf struct {
	Allocations  float64 `json:"allocations_per_fetch"`
	Instructions float64 `json:"instructions_per_record"`
}

func budgets(tb testing.TB) (all map[string]budgetOf) {
	tb.Helper()
	data, err := os.ReadFile("testdata/budget.json")
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	NewWithT(tb).Expect(json.Unmarshal(data, &all)).To(Succeed())
	return all
}

// TestBudgetOfAllocations holds the hot path to testdata/budget.json. A change that needs more says so by changing the file. The race
// detector has allocations of its own.
func TestBudgetOfAllocations(t *testing.T) {
	for name, budget := range budgets(t) {
		fetch := hotPath(t, hotPaths[name])
		got := testing.AllocsPerRun(200, fetch) - ofTheTest //nolint:mnd // enough that what happens once does not count
		NewWithT(t).Expect(got).To(BeNumerically("<=", budget.Allocations), "%s: allocations per fetch of %d records", name, perFetch)
		t.Logf("%s: %.0f allocations per fetch, the budget is %.0f", name, got, budget.Allocations)
	}
}
