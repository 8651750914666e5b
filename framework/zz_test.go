package framework_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/karafgo/karafgo/framework"
)

func TestZZ(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	cfg := quick([]string{l.Addr().String()})
	cfg.Kafka.BootTimeout = time.Second
	time.AfterFunc(4*time.Second, func() { pprof.Lookup("goroutine").WriteTo(os.Stderr, 2) })
	s := time.Now()
	err := framework.Run(context.Background(), cfg, framework.Routes(each(&counter{})))
	fmt.Println(time.Since(s), err)
}
