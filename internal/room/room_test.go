package room_test

import (
	"context"
	"errors"
	"testing"

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
