package registry_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/registry"
)

var _ = Describe("A registry", func() {
	decode := func(codec *registry.Codec) error {
		var got Order
		return codec.Decode(unhex("00 00000001 02 41 02"), &got)
	}

	It("that does not know the id says so for good, and is asked again next time", func() {
		s, schemas := serve()
		codec := avroCodec(schemas, orderV1)
		err := decode(codec)
		Expect(err).To(MatchError("schema 1: the registry has no schema with this id"))
		Expect(err).To(MatchError(registry.ErrUnknownID))
		Expect(err).NotTo(MatchError(consumer.ErrTemporary))
		s.SeedSchema("orders-value", 1, 1, avroSchema(orderV1))
		Expect(decode(codec)).To(Succeed())
	})

	DescribeTable("that cannot answer is no fault of the record", func(answer http.HandlerFunc, text string) {
		s, schemas := serve()
		s.SeedSchema("orders-value", 1, 1, avroSchema(orderV1))
		s.answerWith(answer)
		codec := avroCodec(schemas, orderV1)
		err := decode(codec)
		Expect(err).To(And(MatchError(consumer.ErrTemporary), MatchError(ContainSubstring(text))))
		_, err = codec.Encode(Order{})
		Expect(err).To(And(MatchError(consumer.ErrTemporary), MatchError(ContainSubstring(text))))
		Expect(err).NotTo(MatchError(registry.ErrNotRegistered))
		s.answerWith(nil)
		Expect(decode(codec)).To(Succeed())
		Expect(codec.Encode(Order{})).NotTo(BeEmpty())
	},
		Entry("busy", status(503, `{"error_code":50003,"message":"no leader"}`), "HTTP 503, code 50003: no leader"),
		Entry("too many requests", status(429, ``), "HTTP 429, code 0: no response"),
		Entry("without our credentials", status(401, `{"error_code":401,"message":"who?"}`), "HTTP 401, code 401: who?"),
		Entry("which is something else at that URL", status(404, `<html>no such page</html>`), "HTTP 404, code 0: <html>no such page</html>"),
		Entry("in words of its own", status(200, `hello`), "unable to decode ok response body"),
	)

	It("that is not reached is tried again", func() {
		s, schemas := memory()
		s.SeedSchema("orders-value", 1, 1, avroSchema(orderV1))
		codec := avroCodec(schemas, orderV1)
		s.setCut(true)
		Expect(decode(codec)).To(And(MatchError(consumer.ErrTemporary), MatchError(errCut)))
		s.setCut(false)
		Expect(decode(codec)).To(Succeed())
	})

	It("is asked under the next URL when one is not reached", func() {
		s, _ := serve()
		s.SeedSchema("orders-value", 1, 1, avroSchema(orderV1))
		schemas := registry.New(s.client(sr.URLs("127.0.0.1:0", s.URL())))
		Expect(decode(avroCodec(schemas, orderV1))).To(Succeed())
	})

	It("that does not answer at all is given up after the timeout", func() {
		s, _ := serve()
		done := make(chan struct{})
		s.answerWith(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-done:
			}
		})
		DeferCleanup(func() { close(done) })
		schemas := registry.New(s.client(), registry.Timeout(time.Millisecond))
		err := decode(avroCodec(schemas, orderV1))
		Expect(err).To(And(MatchError(consumer.ErrTemporary), MatchError(context.DeadlineExceeded)))
	})

	It("is asked once for an id, by however many codecs and handlers at once", func() {
		s, schemas := serve()
		s.SeedSchema("orders-value", 1, 1, avroSchema(orderV1))
		entered, release := make(chan struct{}, 64), make(chan struct{})
		s.answerWith(func(w http.ResponseWriter, _ *http.Request) {
			entered <- struct{}{}
			<-release
			schema, _ := s.GetSchema("orders-value", 1)
			_ = json.NewEncoder(w).Encode(schema.Schema)
		})
		codecs := []*registry.Codec{avroCodec(schemas, orderV1), avroCodec(schemas, orderV2)}
		var wg sync.WaitGroup
		errs := make(chan error, 64)
		for i := range 64 {
			wg.Go(func() {
				var got OrderV2
				errs <- codecs[i%2].Decode(unhex("00 00000001 02 41 02"), &got)
			})
		}
		Eventually(entered).Should(Receive())
		close(release)
		wg.Wait()
		close(errs)
		for err := range errs {
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(s.asked()).To(Equal([]string{"GET /schemas/ids/1"}))
	})

	It("is asked once for an id in the life of a process", func() {
		s, schemas := serve()
		s.SeedSchema("orders-value", 1, 1, avroSchema(orderV1))
		for range 3 {
			codec := avroCodec(schemas, orderV1)
			Expect(decode(codec)).To(Succeed())
			Expect(decode(codec)).To(Succeed())
		}
		Expect(s.asked()).To(Equal([]string{"GET /schemas/ids/1"}))
	})

	It("is asked once for the schema to write with, by however many handlers at once", func() {
		s, schemas := serve()
		s.SeedSchema("orders-value", 1, 1, avroSchema(orderV1))
		codec := avroCodec(schemas, orderV1)
		var wg sync.WaitGroup
		errs := make(chan error, 64)
		for range 64 {
			wg.Go(func() {
				_, err := codec.Encode(Order{"A", 1})
				errs <- err
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(s.asked()).To(Equal([]string{"POST /subjects/orders-value"}))
	})

	It("is given the client's credentials", func() {
		s, schemas := serve(sr.BasicAuth("ada", "secret"))
		s.answerWith(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			status(401, user+":"+password)(w, r)
		})
		Expect(decode(avroCodec(schemas, orderV1))).To(MatchError(ContainSubstring("ada:secret")))
	})
})
