//go:build !synctests

package engine_test

import "time"

// patience bounds waiting for events on a loaded machine. No test passes or fails by how long something took.
const patience = 60 * time.Second
