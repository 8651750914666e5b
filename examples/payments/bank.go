package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// What the bank answers when it does not book.
var (
	ErrRefused    = errors.New("the bank refuses it")
	ErrInClearing = errors.New("it is in clearing: ask again later")
	errBusy       = errors.New("the bank is busy")
	errDown       = errors.New("the bank is down")
)

// clearing is how long the bank takes to clear a payment from abroad.
const clearing = 1500 * time.Millisecond

// Bank stands for a remote service. It is slow, busy for some calls, and down at times. A payment that it has booked already it does not
// book again: records may be handled twice, after a crash for instance, so what handlers call has to bear it.
type Bank struct {
	latency     time.Duration // of a call
	busyEvery   int           // payments, when first asked; 0 for never
	outageEvery int           // calls; 0 for never
	outage      time.Duration // how long it is down then

	mu        sync.Mutex
	counts    bankCounts
	calls     int
	inside    int
	downUntil time.Time
	booked    map[string]bool
	asked     map[string]time.Time // when first, by payment
	ledger    map[string][]Payment // by account, as booked
}

type bankCounts struct{ busy, outages, atOnce, booked, cleared int }

// NewBank is a bank as banks are.
func NewBank() *Bank {
	b := newBank()
	b.latency, b.busyEvery, b.outageEvery, b.outage = 5*time.Millisecond, 40, 1500, time.Second
	return b
}

func newBank() *Bank {
	return &Bank{booked: map[string]bool{}, asked: map[string]time.Time{}, ledger: map[string][]Payment{}}
}

// Book adds a payment to its account.
func (b *Bank) Book(ctx context.Context, p Payment) error {
	call := b.enter()
	defer b.leave()
	select {
	case <-time.After(b.latency):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Before(b.downUntil) {
		return errDown
	}
	if b.outageEvery > 0 && call%b.outageEvery == 0 {
		b.downUntil = now.Add(b.outage)
		b.counts.outages++
		return errDown
	}
	since, before := b.asked[p.ID]
	if !before {
		since, b.asked[p.ID] = now, now
	}
	switch {
	case !before && b.busyEvery > 0 && len(b.asked)%b.busyEvery == 0:
		b.counts.busy++
		return errBusy
	case p.Cents <= 0:
		return fmt.Errorf("%w: %d cents", ErrRefused, p.Cents)
	case b.booked[p.ID]:
		return nil
	case p.Abroad && now.Sub(since) < clearing:
		return ErrInClearing
	case p.Abroad:
		b.counts.cleared++
	}
	b.counts.booked++
	b.booked[p.ID] = true
	b.ledger[p.Account] = append(b.ledger[p.Account], p)
	return nil
}

// enter returns the number of the call.
func (b *Bank) enter() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	b.inside++
	b.counts.atOnce = max(b.counts.atOnce, b.inside)
	return b.calls
}

func (b *Bank) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inside--
}

// balances are what the bank has booked, in cents by account, and how many payments it booked before one that was sent earlier. Those from
// abroad are left out of that: the others do not wait for them.
func (b *Bank) balances() (cents map[string]int, disordered int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	cents = map[string]int{}
	for account, payments := range b.ledger {
		last := -1
		for _, p := range payments {
			cents[account] += p.Cents
			if p.Abroad {
				continue
			}
			if p.Number < last {
				disordered++
			}
			last = max(last, p.Number)
		}
	}
	return cents, disordered
}

func (b *Bank) counted() bankCounts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts
}
