package config

// LoadDocument loads a document as if it were the file karafgo.yaml, so that places in errors are
// short and a fuzz run writes no files.
func LoadDocument(data []byte, environ []string, flags map[string]string) (Config, error) {
	return decode(fileLayer(defaultFile, data), envLayer(environ), flagLayer(flags))
}

// Bare returns the configuration without the places of its values, for comparing.
func (c Config) Bare() Config {
	c.places = nil

	return c
}
