// Package command is what the command lines of programs and of karafgo have in common: how they print, ask, end and explain.
package command
