// Package config loads the settings of a karafgo process: how much, never what. Topics, handlers and
// failure steps are drawn in code; brokers, limits and timeouts are configured here.
//
// Four sources are read, each overriding the one before it: the defaults, a YAML file, the
// environment and flags. Loading is strict. An unknown key, a wrong type, a bad value and a conflict
// between two keys are all mistakes, and all mistakes of all sources come back in one error, each
// with its place (file and line, variable or flag), the dotted path of the key and the remedy.
//
//	cfg, err := config.Load(config.Source{Environ: os.Environ()})
//	if err != nil {
//		return err // one line per mistake
//	}
//	pricing := cfg.ForGroup("pricing") // the group's own overrides over the common sections
//	fmt.Println(cfg.Kafka.Brokers, pricing.Fetch.MaxBufferedBytes)
//
// # File
//
// The file is karafgo.yaml in the working directory when it is there, unless [Source.File] or
// KARAFGO_CONFIG names another, which must exist then. Every key is described in
// docs/reference/config.md, which is generated from the comments of this package.
//
// # Environment
//
// A variable is KARAFGO_ and the path in capitals, with a double underscore between the levels:
// KARAFGO_SHUTDOWN__DRAIN=45s is shutdown.drain. Lists are comma separated. The name of a topic or a
// group is lowered when it has no lower-case letter (KARAFGO_TOPICS__ORDERS__CONCURRENCY is about
// the topic orders) and taken as it is otherwise. A shell cannot export a name with a dot or a
// hyphen, so a topic such as orders.created belongs in the file; where the platform allows such names
// (a container's env list does), KARAFGO_TOPICS__orders.created__CONCURRENCY works.
//
// A KARAFGO_ variable that is no key is a mistake, because a misspelled one would otherwise do
// nothing, silently. The exceptions are KARAFGO_CONFIG, the path of the file, and KARAFGO_TEST_*,
// which belong to tests and are ignored.
//
// # Flags
//
// A flag is a dotted path and a value spelled as in the environment. Names of topics and groups may
// hold dots: in topics.orders.created.concurrency the last word is the key.
package config
