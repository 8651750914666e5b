// Package proxy stands between clients and a broker, and does what networks do: delays, slows down, slices, swallows and resets.
package proxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// The ways through a proxy.
const (
	to = iota
	from
)

// Proxy passes connections on. Its methods are safe for concurrent use.
type Proxy struct {
	target   string
	listener net.Listener

	mu     sync.Mutex
	delay  time.Duration
	rate   int              // bytes per second, 0 for no limit
	slice  int              // bytes at a time, 0 for as they come
	ways   [2]chan struct{} // to the broker and from it; closed while bytes pass
	conns  map[net.Conn]bool
	closed bool
}

// New listens on a free port of the loopback interface, and passes on to an address.
func New(target string) (*Proxy, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &Proxy{target: target, listener: l, conns: map[net.Conn]bool{}}
	for way := range p.ways {
		p.ways[way] = make(chan struct{})
		close(p.ways[way])
	}
	go p.accept()
	return p, nil
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Delay holds every piece of data for so long, in both directions.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Limit passes so many bytes per second in each direction of each connection; 0 ends that.
func (p *Proxy) Limit(rate int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = rate
}

// Slice passes at most n bytes at a time; 0 ends that.
func (p *Proxy) Slice(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slice = n
}

// Swallow lets nothing pass: connections stay, and are silent.
func (p *Proxy) Swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut(to)
	p.shut(from)
}

// SwallowAnswers lets pass what clients send, and nothing that the broker answers.
func (p *Proxy) SwallowAnswers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut(from)
}

func (p *Proxy) shut(way int) {
	select {
	case <-p.ways[way]:
		p.ways[way] = make(chan struct{})
	default:
	}
}

// Reset cuts all connections off.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not an end
		}
		_ = c.Close()
	}
}

// Heal passes everything at once again.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.rate, p.slice = 0, 0, 0
	for _, way := range p.ways {
		select {
		case <-way:
		default:
			close(way)
		}
	}
}

// Close ends all connections.
func (p *Proxy) Close() {
	p.Heal()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Reset()
}

func (p *Proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.serve(in)
	}
}

func (p *Proxy) serve(in net.Conn) {
	out, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		_ = in.Close()
		return
	}
	p.mu.Lock()
	p.conns[in], p.conns[out] = true, true
	closed := p.closed
	p.mu.Unlock()
	if closed {
		p.Reset()
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(out, in, to) })
	both.Go(func() { p.pass(in, out, from) })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, in)
	delete(p.conns, out)
	p.mu.Unlock()
}

const piece = 32 << 10

func (p *Proxy) pass(dst, src net.Conn, way int) {
	defer func() {
		_ = dst.Close()
		_ = src.Close()
	}()
	buf := make([]byte, piece)
	for {
		n, err := src.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			n := p.hold(way, len(rest))
			if _, err := dst.Write(rest[:n]); err != nil {
				return
			}
			rest = rest[n:]
		}
		if err != nil {
			return
		}
	}
}

// hold waits for as long as the network takes, and returns how many of n bytes it passes then.
func (p *Proxy) hold(way, n int) int {
	p.mu.Lock()
	open, delay := p.ways[way], p.delay
	if p.slice > 0 {
		n = min(n, p.slice)
	}
	if p.rate > 0 {
		delay += time.Duration(n) * time.Second / time.Duration(p.rate)
	}
	p.mu.Unlock()
	<-open
	if delay > 0 {
		<-time.After(delay)
	}
	return n
}
