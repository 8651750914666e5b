package kafka

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/sasl/aws"

	"github.com/karafgo/karafgo/internal/config"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "token")
	g.Expect(os.WriteFile(file, []byte(" first\n"), 0o600)).To(Succeed())
	of := func(s config.SASL) string {
		t.Helper()
		text, err := token(t.Context(), s)
		g.Expect(err).NotTo(HaveOccurred())
		return text
	}
	g.Expect(of(config.SASL{Token: "itself"})).To(Equal("itself"))
	g.Expect(of(config.SASL{TokenFile: file})).To(Equal("first"))
	g.Expect(os.WriteFile(file, []byte("second"), 0o600)).To(Succeed())
	g.Expect(of(config.SASL{TokenFile: file})).To(Equal("second"), "read again")
	g.Expect(of(config.SASL{TokenCommand: []string{"sh", "-c", "echo third"}})).To(Equal("third"))
}

func TestTokensThatCannotBeHad(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	g := NewWithT(t)
	g.Expect(os.WriteFile(empty, nil, 0o600)).To(Succeed())
	for want, s := range map[string]config.SASL{
		"kafka.sasl.token_command sh: exit status 3":       {TokenCommand: []string{"sh", "-c", "echo hush >&2; exit 3"}},
		"kafka.sasl.token_command true: printed nothing":   {TokenCommand: []string{"true"}},
		"kafka.sasl.token_command nobody-has-this: exec: ": {TokenCommand: []string{"nobody-has-this"}},
		"kafka.sasl.token_file: open ":                     {TokenFile: empty + "-not"},
		"kafka.sasl.token_file: " + empty + " is empty":    {TokenFile: empty},
	} {
		_, err := token(t.Context(), s)
		g.Expect(err).To(MatchError(ContainSubstring(want)))
		g.Expect(err).To(BeAssignableToTypeOf(&secretError{}))
		g.Expect(err).NotTo(MatchError(ContainSubstring("hush")), "what it says may hold a secret")
	}
}

func TestIdentitiesOfAWS(t *testing.T) { //nolint:paralleltest // it sets the environment
	g := NewWithT(t)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	_, err := awsAuth(config.AWS{})
	g.Expect(err).To(MatchError(ContainSubstring("kafka.sasl.aws.access_key is empty, and so is AWS_ACCESS_KEY_ID")))
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "key")
	auth, err := awsAuth(config.AWS{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(auth).To(Equal(aws.Auth{AccessKey: "id", SecretKey: "key"}))
	file := filepath.Join(t.TempDir(), "key")
	g.Expect(os.WriteFile(file, []byte("filed\n"), 0o600)).To(Succeed())
	auth, err = awsAuth(config.AWS{AccessKey: "other", SecretKeyFile: file, SessionToken: "session"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(auth).To(Equal(aws.Auth{AccessKey: "other", SecretKey: "filed", SessionToken: "session"}))
}
