package config

// The values of [SASL.Mechanism].
const (
	NoSASL      = "none"
	Plain       = "plain"
	ScramSHA256 = "scram-sha-256"
	ScramSHA512 = "scram-sha-512"
	OAuthBearer = "oauthbearer"
	AWSMSKIAM   = "aws-msk-iam"
)

// TLS encrypts the connections to the brokers. Files are in PEM form. They are read for every new
// connection, so that certificates can be replaced while the process runs; files that cannot be read
// then leave those in use that were read last.
type TLS struct {
	// Enabled turns TLS on. The other keys are refused without it, so that nobody believes a
	// connection encrypted that is not. Defaults to false.
	Enabled bool `yaml:"enabled"`
	// CAFile holds the certificate authorities that brokers are checked against, instead of those of
	// the system. Kafka: ssl.truststore.location. Defaults to empty, the system's.
	CAFile string `yaml:"ca_file"`
	// CertFile holds the certificate that this process shows to brokers, with key_file (mutual TLS).
	// Kafka: ssl.keystore.location. Defaults to empty, none.
	CertFile string `yaml:"cert_file"`
	// KeyFile holds the private key of cert_file. Kafka: ssl.keystore.location. Defaults to empty, none.
	KeyFile string `yaml:"key_file"`
	// ServerName is the name that a broker's certificate must carry, when it is not the host name
	// that was dialed. Defaults to empty, the name dialed.
	ServerName string `yaml:"server_name"`
	// MinVersion is the oldest version of TLS that is spoken, 1.2 or 1.3. Kafka: ssl.enabled.protocols.
	// Defaults to 1.2.
	MinVersion Version `yaml:"min_version"`
}

// Version is a version number, which YAML may spell as text or as a number.
type Version string

// The values of [TLS.MinVersion].
const (
	TLS12 Version = "1.2"
	TLS13 Version = "1.3"
)

// SASL proves to the brokers who this process is. Secrets are never shown, neither in logs nor in
// errors nor in the configuration in effect. Each may stand in a file of its own instead, which is read
// at every authentication, so that a secret can be replaced while the process runs.
type SASL struct {
	// Mechanism is none, plain, scram-sha-256, scram-sha-512, oauthbearer (KIP-255, KIP-768) or
	// aws-msk-iam. Others are given to framework.SASL by the program. Kafka: sasl.mechanism. Defaults to
	// none.
	Mechanism string `yaml:"mechanism"`
	// Username is the name for plain and scram. Defaults to empty.
	Username string `yaml:"username"`
	// Password is the password for plain and scram. Defaults to empty.
	Password Secret `yaml:"password"`
	// PasswordFile holds the password instead; white space around it is cut. Defaults to empty.
	PasswordFile string `yaml:"password_file"`
	// Token is the token for oauthbearer. Defaults to empty.
	Token Secret `yaml:"token"`
	// TokenFile holds the token instead; white space around it is cut. Defaults to empty.
	TokenFile string `yaml:"token_file"`
	// TokenCommand is a command, with its arguments, that prints the token; it has 10 s. It is run
	// without a shell. Defaults to empty.
	TokenCommand []string `yaml:"token_command"`
	// AWS is who this process is for aws-msk-iam.
	AWS AWS `yaml:"aws"`
}

// AWS is an identity of Amazon Web Services. Without an access key, the variables AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment are used.
type AWS struct {
	// AccessKey is the id of the access key. Defaults to empty, the environment's.
	AccessKey string `yaml:"access_key"`
	// SecretKey is the secret of the access key. Defaults to empty.
	SecretKey Secret `yaml:"secret_key"`
	// SecretKeyFile holds the secret of the access key instead. Defaults to empty.
	SecretKeyFile string `yaml:"secret_key_file"`
	// SessionToken is the token of temporary credentials. Defaults to empty, none.
	SessionToken Secret `yaml:"session_token"`
	// SessionTokenFile holds the token of temporary credentials instead. Defaults to empty, none.
	SessionTokenFile string `yaml:"session_token_file"`
}
