package scaffold

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

var some = []File{{"a/b.txt", []byte("b")}, {"c.txt", []byte("c")}}

func TestFoldersThatAreInTheWay(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(CheckFolder(dir)).To(Succeed(), "an empty one is none")
	g.Expect(CheckFolder(filepath.Join(dir, "none"))).To(Succeed())
	write(t, dir, "README.md", "mine")
	want := "folder " + dir + " is not empty, it has README.md, and nothing is overwritten: choose another folder with --dir"
	g.Expect(CheckFolder(dir)).To(MatchError(want))
	g.Expect(Create(dir, some, func() error { return nil })).To(MatchError(want))
	write(t, dir, "x", "mine")
	g.Expect(CheckFolder(dir)).To(MatchError(ContainSubstring("it has README.md and 1 more, and")))
	g.Expect(CheckFolder(filepath.Join(dir, "x"))).To(MatchError(HaveSuffix("/x is a file: choose another folder with --dir")))
	g.Expect(tree(t, dir)).To(HaveLen(2))
}

func TestNothingIsHalfMade(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	broken := errors.New("broken")
	dir := filepath.Join(root, "deep", "down", "shop")
	err := Create(dir, some, func() error {
		g.Expect(tree(t, dir)).To(HaveLen(len(some)))
		write(t, dir, "go.sum", "of go mod tidy")
		return broken
	})
	g.Expect(err).To(MatchError(broken))
	g.Expect(os.ReadDir(root)).To(BeEmpty(), "the folders above it were made too")

	// A folder that was there stays, and so does what others have put there meanwhile, which is said.
	g.Expect(Create(root, some, func() error { return broken })).To(MatchError(broken))
	g.Expect(os.ReadDir(root)).To(BeEmpty())
	err = Create(dir, some, func() error { write(t, dir, "a/mine", "mine"); return broken })
	g.Expect(err).To(MatchError(And(ContainSubstring("broken"), ContainSubstring("these could not be removed again: "))))
	g.Expect(tree(t, root)).To(HaveLen(1))

	// It fails by itself when a name is no folder.
	other := filepath.Join(root, "other")
	g.Expect(Create(other, append(some, File{Path: "c.txt/d", Data: nil}), func() error { return nil })).NotTo(Succeed())
	g.Expect(other).NotTo(BeADirectory())
}
