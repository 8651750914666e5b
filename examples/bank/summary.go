package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// summary is what is printed at the end.
type summary struct {
	Pattern    string  `json:"pattern"`
	Database   string  `json:"database"`
	Crash      float64 `json:"crash"`
	Runs       int     `json:"runs"`
	Right      int     `json:"right"` // runs whose balances are
	Records    int     `json:"records"`
	Booked     int     `json:"booked"`
	Crashes    int     `json:"crashes"`
	BooksRight bool    `json:"books_right"`
}

func (s *summary) add(r *result) {
	s.Runs++
	s.Records += r.records
	s.Booked += r.booked
	s.Crashes += r.crashes
	if len(r.wrong) == 0 {
		s.Right++
	}
	s.BooksRight = s.Right == s.Runs
}

func (s *summary) write(o options, out io.Writer) error {
	var err error
	if o.output == "json" {
		err = json.NewEncoder(out).Encode(s)
	} else {
		_, err = fmt.Fprintf(out, "\n%s on %s: %d records, %d of them booked, %d crashes; balances are right in %d of %d runs\n",
			s.Pattern, s.Database, s.Records, s.Booked, s.Crashes, s.Right, s.Runs)
	}
	if err != nil {
		return fmt.Errorf("print summary: %w", err)
	}
	return nil
}
