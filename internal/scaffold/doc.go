// Package scaffold writes programs, and adds to them: it is what `karafgo new` and `karafgo generate` do.
//
// A program that it makes is built of the files below templates/app, which stay as readable as what they become. What is added later goes
// to places that comments mark, such as "// karafgo:provide", and is worked out as a Plan before anything is written.
package scaffold
