package config

import (
	"slices"
	"strings"
)

func (v *validator) tls(t TLS) {
	v.oneOf("kafka.tls.min_version", string(t.MinVersion), string(TLS12), string(TLS13))

	if !t.Enabled {
		for _, given := range []struct{ key, value string }{
			{"ca_file", t.CAFile},
			{"cert_file", t.CertFile},
			{"key_file", t.KeyFile},
			{"server_name", t.ServerName},
		} {
			if given.value != "" {
				v.report(given.key+" is given, but connections are not encrypted: set kafka.tls.enabled to true or remove the key",
					"kafka.tls."+given.key, "kafka.tls.enabled")
			}
		}
	}

	switch {
	case t.CertFile != "" && t.KeyFile == "":
		v.report("needs kafka.tls.key_file, the private key of the certificate", "kafka.tls.cert_file", "kafka.tls.key_file")
	case t.CertFile == "" && t.KeyFile != "":
		v.report("needs kafka.tls.cert_file, the certificate of the key", "kafka.tls.key_file", "kafka.tls.cert_file")
	}
}

// credential is a key of the section sasl, whether it is given, and the mechanisms that use it.
type credential struct {
	key   string
	given bool
	by    []string
}

func (s SASL) credentials() []credential {
	named := []string{Plain, ScramSHA256, ScramSHA512}
	bearer, aws := []string{OAuthBearer}, []string{AWSMSKIAM}

	return []credential{
		{"username", s.Username != "", named},
		{"password", s.Password != "", named},
		{"password_file", s.PasswordFile != "", named},
		{"token", s.Token != "", bearer},
		{"token_file", s.TokenFile != "", bearer},
		{"token_command", len(s.TokenCommand) > 0, bearer},
		{"aws.access_key", s.AWS.AccessKey != "", aws},
		{"aws.secret_key", s.AWS.SecretKey != "", aws},
		{"aws.secret_key_file", s.AWS.SecretKeyFile != "", aws},
		{"aws.session_token", s.AWS.SessionToken != "", aws},
		{"aws.session_token_file", s.AWS.SessionTokenFile != "", aws},
	}
}

const saslKey = "kafka.sasl."

func (v *validator) sasl(s SASL) {
	mechanisms := []string{NoSASL, Plain, ScramSHA256, ScramSHA512, OAuthBearer, AWSMSKIAM}
	v.oneOf(saslKey+"mechanism", s.Mechanism, mechanisms...)

	if !slices.Contains(mechanisms, s.Mechanism) {
		return
	}

	for _, c := range s.credentials() {
		if c.given && !slices.Contains(c.by, s.Mechanism) {
			v.report("is given, but the mechanism is "+s.Mechanism+": it belongs to "+strings.Join(c.by, ", "),
				saslKey+c.key, saslKey+"mechanism")
		}
	}

	for key, secret := range map[string]Secret{
		"password": s.Password, "token": s.Token, "aws.secret_key": s.AWS.SecretKey, "aws.session_token": s.AWS.SessionToken,
	} {
		if secret == hidden {
			v.report("is what is shown instead of a secret: write the secret itself, or name its file", saslKey+key)
		}
	}

	switch s.Mechanism {
	case Plain, ScramSHA256, ScramSHA512:
		if s.Username == "" {
			v.report(s.Mechanism+" needs "+saslKey+"username", saslKey+"mechanism", saslKey+"username")
		}

		v.one(s, true, "password", "password_file")
	case OAuthBearer:
		v.one(s, true, "token", "token_file", "token_command")
	case AWSMSKIAM:
		v.one(s, s.AWS.AccessKey != "", "aws.secret_key", "aws.secret_key_file")
		v.one(s, false, "aws.session_token", "aws.session_token_file")

		if s.AWS.AccessKey == "" && (s.AWS.SecretKey != "" || s.AWS.SecretKeyFile != "") {
			v.report("the secret of an access key needs "+saslKey+"aws.access_key, its id", saslKey+"mechanism", saslKey+"aws.access_key")
		}
	}
}

// one reports when more than one of the ways to give a secret is taken or, where one is needed, none.
func (v *validator) one(s SASL, needed bool, ways ...string) {
	var given []string

	for _, c := range s.credentials() {
		if c.given && slices.Contains(ways, c.key) {
			given = append(given, saslKey+c.key)
		}
	}

	switch {
	case len(given) > 1:
		v.report("is given twice, also as "+strings.Join(given[1:], ", ")+": remove one", given...)
	case len(given) == 0 && needed:
		v.report(s.Mechanism+" needs "+saslKey+strings.Join(ways, " or "+saslKey), saslKey+"mechanism", saslKey+ways[0])
	}
}
