package testkit_test

import (
	"context"
	"testing"

	"github.com/karafgo/karafgo/testkit"
)

func TestStorePassesTheSuite(t *testing.T) {
	t.Parallel()
	testkit.CheckStore(t, func(*testing.T) testkit.StoreUnderTest {
		s := testkit.NewStore()
		return testkit.StoreUnderTest{
			Store: s,
			Write: func(ctx context.Context, row string) error { return s.Write(ctx, row) },
			Rows: func(context.Context) (rows []string, err error) {
				for _, row := range s.Rows() {
					rows = append(rows, row.(string))
				}
				return rows, nil
			},
		}
	})
}
