package config_test

import (
	"fmt"
	"os"

	"github.com/karafgo/karafgo/internal/config"
)

func ExampleLoad() {
	cfg, err := config.Load(config.Source{
		File:    os.DevNull, // an empty file
		Environ: []string{"KARAFGO_SHUTDOWN__DRAIN=45s"},
		Flags:   map[string]string{"groups.pricing.fetch.max_buffered_bytes": "64MiB"},
	})
	if err != nil {
		fmt.Println(err)

		return
	}

	fmt.Println(cfg.Shutdown.Drain, cfg.ForGroup("pricing").Fetch.MaxBufferedBytes, cfg.ForGroup("mail").Fetch.MaxBufferedBytes)

	_, err = config.Load(config.Source{File: os.DevNull, Environ: []string{"KARAFGO_SHUTDOWN_DRAIN=45s", "KARAFGO_LOG__LEVEL=inof"}})
	fmt.Println(err)
	// Output:
	// 45s 64MiB 256MiB
	// env KARAFGO_SHUTDOWN_DRAIN: shutdown_drain: unknown key; did you mean KARAFGO_SHUTDOWN__DRAIN?
	// env KARAFGO_LOG__LEVEL: log.level: "inof" is unknown; did you mean info? Known are debug, info, warn, error
}
