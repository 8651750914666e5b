package config_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/config"
)

var _ = Describe("A secret", func() {
	const password = "enchantress"

	It("is never printed", func() {
		cfg := config.Default()
		cfg.Kafka.SASL = config.SASL{Mechanism: config.Plain, Username: "ada", Password: password}
		data, err := json.Marshal(cfg.Kafka) //nolint:musttag // as a logger would
		Expect(err).NotTo(HaveOccurred())
		yaml, err := cfg.YAML()
		Expect(err).NotTo(HaveOccurred())
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", cfg.Kafka.SASL.Password, "all", cfg.Kafka)
		for _, printed := range []string{
			fmt.Sprint(cfg), fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg), fmt.Sprintf("%s %q %x %d", cfg.Kafka.SASL.Password,
				cfg.Kafka.SASL.Password, cfg.Kafka.SASL.Password, cfg.Kafka.SASL.Password), string(data), string(yaml), log.String(),
		} {
			Expect(printed).NotTo(ContainSubstring(password))
			Expect(printed).NotTo(ContainSubstring(fmt.Sprintf("%x", password)))
			Expect(printed).To(ContainSubstring("(secret)"))
		}
		Expect(string(cfg.Kafka.SASL.Password)).To(Equal(password))
	})

	DescribeTable("is not in an error", func(yaml string) {
		_, err := document(yaml)
		Expect(err).To(HaveOccurred())
		Expect(err.Error()).NotTo(ContainSubstring("12345"))
		Expect(err.Error()).To(ContainSubstring("kafka.sasl.password"))
	},
		Entry("that is a number", "kafka: {sasl: {mechanism: plain, username: ada, password: 12345}}"),
		Entry("that is a list", "kafka: {sasl: {mechanism: plain, username: ada, password: [12345]}}"),
		Entry("that cannot be printed", "kafka: {sasl: {mechanism: plain, username: ada, password: \"12345\\a\"}}"),
		Entry("that belongs to no mechanism", "kafka: {sasl: {password: \"12345\"}}"),
		Entry("that is given twice", "kafka: {sasl: {mechanism: plain, username: ada, password: \"12345\", password_file: x}}"),
	)
})

var _ = DescribeTable("The section sasl", func(yaml string, want ...string) {
	_, err := document("kafka: {sasl: {" + yaml + "}}")
	if len(want) == 0 {
		Expect(err).NotTo(HaveOccurred())
		return
	}
	for _, w := range want {
		Expect(err).To(MatchError(ContainSubstring(w)))
	}
},
	Entry("none", "mechanism: none"),
	Entry("plain", "mechanism: plain, username: ada, password: x"),
	Entry("scram with a file", "mechanism: scram-sha-512, username: ada, password_file: /x"),
	Entry("a token command", "mechanism: oauthbearer, token_command: [gcloud, token]"),
	Entry("aws by its environment", "mechanism: aws-msk-iam"),
	Entry("aws by keys", "mechanism: aws-msk-iam, aws: {access_key: a, secret_key_file: /x}"),
	Entry("a typing error", "mechanism: plan", `"plan" is unknown; did you mean plain?`),
	Entry("no name and no password", "mechanism: plain", "plain needs kafka.sasl.username",
		"plain needs kafka.sasl.password or kafka.sasl.password_file"),
	Entry("no token", "mechanism: oauthbearer", "oauthbearer needs kafka.sasl.token or kafka.sasl.token_file or kafka.sasl.token_command"),
	Entry("two tokens", "mechanism: oauthbearer, token: x, token_command: [x]", "is given twice, also as kafka.sasl.token_command: remove one"),
	Entry("another's key", "mechanism: oauthbearer, token: x, username: ada",
		"is given, but the mechanism is oauthbearer: it belongs to plain, scram-sha-256, scram-sha-512"),
	Entry("a secret key without an id", "mechanism: aws-msk-iam, aws: {secret_key: x}", "needs kafka.sasl.aws.access_key, its id"),
	Entry("an id without a secret key", "mechanism: aws-msk-iam, aws: {access_key: x}", "aws-msk-iam needs kafka.sasl.aws.secret_key or kafka.sasl.aws.secret_key_file"),
	Entry("what config show prints", "mechanism: plain, username: ada, password: (secret)", "is what is shown instead of a secret"),
)

var _ = DescribeTable("tls.min_version", func(value string, ok bool) {
	_, err := document("kafka: {tls: {enabled: true, min_version: " + value + "}}")
	if ok {
		Expect(err).NotTo(HaveOccurred())
		return
	}
	Expect(err).To(MatchError(ContainSubstring("kafka.tls.min_version")))
},
	Entry("a number", "1.3", true),
	Entry("text", `"1.2"`, true),
	Entry("too old", "1.1", false),
	Entry("no version", "true", false),
)
