package room_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"weak"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/room"
)

func TestRoomEndsWithItsCallerUntilThereIsRoom(t *testing.T) {
	g := NewWithT(t)
	gone := errors.New("gone")
	ctx, end := context.WithCancelCause(t.Context())

	waits, found, never := room.Context{Context: ctx}, room.Context{Context: ctx}, room.Context{Context: ctx}
	asked := found.Done() // as one who looks for the topic does, and keeps it
	g.Expect(found.Err()).To(Succeed())
	found.Leave()
	never.Leave()
	end(gone)

	g.Eventually(waits.Done()).Should(BeClosed())
	g.Expect(waits.Err()).To(MatchError(context.Canceled))
	g.Expect(context.Cause(&waits)).To(MatchError(gone))
	waits.Leave()
	g.Expect(waits.Err()).To(MatchError(context.Canceled), "what has ended stays ended")

	g.Expect(asked).NotTo(BeClosed())
	g.Expect(found.Done()).To(BeIdenticalTo(asked))
	g.Expect(found.Err()).To(Succeed())
	g.Expect(never.Done()).To(BeNil())
	g.Expect(never.Err()).To(Succeed())
}

func TestRoomEndsWithWhatComesThen(t *testing.T) {
	g := NewWithT(t)
	late := errors.New("late")
	then, end := context.WithCancelCause(t.Context())
	endless := context.WithoutCancel(t.Context())
	asked, never := room.Context{Context: endless, Then: then}, room.Context{Context: t.Context(), Then: then}
	alike := room.Context{Context: t.Context(), Then: then}
	before, other := asked.Done(), alike.Done()
	for _, c := range []*room.Context{&asked, &never, &alike} {
		c.Leave()
		g.Expect(c.Err()).To(Succeed())
		g.Expect(c.Done()).NotTo(BeClosed())
	}
	end(late)
	g.Eventually(before).Should(BeClosed())
	g.Eventually(other).Should(BeClosed())
	for _, c := range []*room.Context{&asked, &never, &alike} {
		g.Expect(c.Done()).To(BeClosed())
		g.Expect(c.Err()).To(BeIdenticalTo(late))
	}
}

// What has the context, a record and its value, is let go when it is answered, and not when its time would be over.
func TestRoomIsKeptByNobody(t *testing.T) {
	g := NewWithT(t)
	from, end := context.WithCancel(t.Context())
	defer end()
	waited := func() weak.Pointer[room.Context] {
		c := &room.Context{Context: from, Then: t.Context()}
		_ = c.Done()
		c.Leave()
		return weak.Make(c)
	}()
	g.Eventually(func() *room.Context {
		runtime.GC()
		return waited.Value()
	}).Should(BeNil())
}
