package framework

import (
	"errors"
	"reflect"

	"github.com/karafgo/karafgo/internal/engine"
)

// ErrForced is what Run returns when the stop had to abandon handlers that did not return in time. Their records are not marked and will be
// delivered again.
var ErrForced = engine.ErrForced

// StartError is what Run returns when the process could not start. Nothing was consumed.
type StartError struct{ Err error }

// Error tells the cause.
func (e *StartError) Error() string { return "could not start: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *StartError) Unwrap() error { return e.Err }

// FatalError is what Run returns when consuming could not go on: a route that draws Stop, failed authentication, a member that was
// fenced. What was done is committed.
type FatalError struct{ Err error }

// Error tells the cause.
func (e *FatalError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *FatalError) Unwrap() error { return e.Err }

// The exit codes of Main.
const (
	ExitClean  = 0
	ExitStart  = 1
	ExitForced = 2
	ExitFatal  = 3
	// ExitDiffers is that of `topics plan` when the topics are not as the program wants them.
	ExitDiffers = 4
)

var errDiffers = errors.New("topics are not as the program wants them")

// ExitCode returns what Main exits with after Run returned err.
func ExitCode(err error) int {
	var fatal *FatalError
	switch {
	case err == nil:
		return ExitClean
	case errors.As(err, &fatal):
		return ExitFatal
	case errors.Is(err, ErrForced):
		return ExitForced
	case errors.Is(err, errDiffers):
		return ExitDiffers
	default:
		return ExitStart
	}
}

// rootCause returns what a constructor returned, without the container's account of who needed it for what. Where the container
// itself has the complaint, such as a type that nobody provides, it is returned.
func rootCause(err error) error {
	found := err
	for e := err; e != nil; e = errors.Unwrap(e) {
		t := reflect.TypeOf(e)
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.PkgPath() != "go.uber.org/dig" {
			continue
		}
		found = e
		if cause := errors.Unwrap(e); cause != nil {
			found = cause
		}
	}
	return found
}
