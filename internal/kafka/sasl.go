package kafka

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/karafgo/karafgo/internal/config"
)

// commandTimeout is how long kafka.sasl.token_command may take.
const commandTimeout = 10 * time.Second

// mechanism returns what authenticates, nil for nothing. Secrets in files are read at every authentication.
func mechanism(s config.SASL) sasl.Mechanism { //nolint:ireturn // kgo wants the interface
	switch s.Mechanism {
	case config.Plain:
		return plain.Plain(func(context.Context) (plain.Auth, error) {
			pass, err := secret(s.Password, s.PasswordFile, "password_file")
			return plain.Auth{User: s.Username, Pass: pass}, err
		})
	case config.ScramSHA256, config.ScramSHA512:
		hash := scram.Sha256
		if s.Mechanism == config.ScramSHA512 {
			hash = scram.Sha512
		}
		return hash(func(context.Context) (scram.Auth, error) {
			pass, err := secret(s.Password, s.PasswordFile, "password_file")
			return scram.Auth{User: s.Username, Pass: pass}, err
		})
	case config.OAuthBearer:
		return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := token(ctx, s)
			return oauth.Auth{Token: token}, err
		})
	case config.AWSMSKIAM:
		return aws.ManagedStreamingIAM(func(context.Context) (aws.Auth, error) { return awsAuth(s.AWS) })
	default:
		return nil
	}
}

// secretError is a secret that cannot be had. It never holds one.
type secretError struct{ err error }

func (e *secretError) Error() string { return e.err.Error() }
func (e *secretError) Unwrap() error { return e.err }

// secret returns the secret itself or what its file holds.
func secret(itself config.Secret, file, key string) (string, error) {
	if file == "" {
		return string(itself), nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", &secretError{fmt.Errorf("kafka.sasl.%s: %w", key, err)}
	}
	text := strings.TrimSpace(string(data))
	if text == "" {
		return "", &secretError{fmt.Errorf("kafka.sasl.%s: %s is empty", key, file)}
	}
	return text, nil
}

func token(ctx context.Context, s config.SASL) (string, error) {
	if len(s.TokenCommand) == 0 {
		return secret(s.Token, s.TokenFile, "token_file")
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.TokenCommand[0], s.TokenCommand[1:]...) //nolint:gosec // that is what the key is for
	cmd.WaitDelay = time.Second                                               // a grandchild may keep the output open
	cmd.Stderr = io.Discard                                                   // it may hold the token
	out, err := cmd.Output()
	if err == nil && len(bytes.TrimSpace(out)) == 0 {
		err = errors.New("printed nothing")
	}
	if err != nil {
		return "", &secretError{fmt.Errorf("kafka.sasl.token_command %s: %w", s.TokenCommand[0], err)}
	}
	return string(bytes.TrimSpace(out)), nil
}

func awsAuth(a config.AWS) (aws.Auth, error) {
	if a.AccessKey == "" {
		auth := aws.Auth{
			AccessKey: os.Getenv("AWS_ACCESS_KEY_ID"), SecretKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
			SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
		}
		if cmp.Or(auth.AccessKey, auth.SecretKey) == "" {
			return auth, &secretError{errors.New("kafka.sasl.aws.access_key is empty, and so is AWS_ACCESS_KEY_ID in the environment")}
		}
		return auth, nil
	}
	key, err := secret(a.SecretKey, a.SecretKeyFile, "aws.secret_key_file")
	if err != nil {
		return aws.Auth{}, err
	}
	session, err := secret(a.SessionToken, a.SessionTokenFile, "aws.session_token_file")
	return aws.Auth{AccessKey: a.AccessKey, SecretKey: key, SessionToken: session}, err
}
