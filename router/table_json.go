package router

import (
	"encoding/json"
	"fmt"
)

type groupJSON struct {
	ID            string      `json:"id"`
	BatchFetching bool        `json:"batch_fetching"`
	Routes        []routeJSON `json:"routes"`
}

type routeJSON struct {
	Group     string       `json:"group"`
	Topic     string       `json:"topic,omitempty"`
	Pattern   string       `json:"pattern,omitempty"`
	Consumes  string       `json:"consumes"`
	Offsets   string       `json:"offsets"`
	AtOnce    string       `json:"at_once"`
	OnFailure string       `json:"on_failure"`
	Starts    string       `json:"starts"`
	Outputs   []outputJSON `json:"outputs"`
	RetryOf   string       `json:"retry_of,omitempty"`
	DrawnAt   string       `json:"drawn_at"`
}

type outputJSON struct {
	Topic    string `json:"topic"`
	Required bool   `json:"required"`
	Sync     bool   `json:"sync"`
}

type edgeJSON struct {
	Kind     EdgeKind `json:"kind"`
	Group    string   `json:"group"`
	From     string   `json:"from"`
	To       string   `json:"to,omitempty"`
	Required bool     `json:"required,omitempty"`
	Sync     bool     `json:"sync,omitempty"`
	Delay    string   `json:"delay,omitempty"`
	Errors   []string `json:"errors,omitempty"`
}

type declaredJSON struct {
	Topic       string            `json:"topic"`
	Partitions  int               `json:"partitions,omitempty"`
	Replication int               `json:"replication,omitempty"`
	Config      map[string]string `json:"config,omitempty"`
	DeclaredAt  string            `json:"declared_at"`
}

// MarshalJSON describes the routes, and under "flow" the edges of [Table.Flow]; handlers have no JSON.
func (t *Table) MarshalJSON() ([]byte, error) {
	groups := make([]groupJSON, 0, len(t.groups))
	for _, g := range t.groups {
		gj := groupJSON{ID: g.ID, BatchFetching: g.BatchFetching}
		for _, r := range g.Routes {
			rj := routeJSON{
				Group: r.Group, Topic: r.Topic, Consumes: r.Consumes(), Offsets: r.Offsets.String(), AtOnce: r.AtOnce(),
				OnFailure: r.OnFailure(), RetryOf: r.RetryOf,
				Starts: r.Start.String(), Outputs: []outputJSON{}, DrawnAt: fmt.Sprintf("%s:%d", r.File, r.Line),
			}
			if r.Pattern != nil {
				rj.Topic, rj.Pattern = "", r.Topic
			}
			for _, o := range r.Outputs {
				rj.Outputs = append(rj.Outputs, outputJSON{o.Topic, o.Required, o.Sync})
			}
			gj.Routes = append(gj.Routes, rj)
		}
		groups = append(groups, gj)
	}
	declared := make([]declaredJSON, 0, len(t.declared))
	for _, d := range t.declared {
		declared = append(declared, declaredJSON{d.Name, d.Partitions, d.Replication, d.Config, fmt.Sprintf("%s:%d", d.File, d.Line)})
	}
	table := map[string]any{"groups": groups, "flow": t.Flow().json()}
	if len(declared) > 0 {
		table["declared"] = declared
	}
	data, err := json.Marshal(table)
	if err != nil {
		return nil, fmt.Errorf("marshal table: %w", err)
	}
	return data, nil
}

func (f Flow) json() []edgeJSON {
	edges := make([]edgeJSON, len(f))
	for i, e := range f {
		edges[i] = edgeJSON{e.Kind, e.Group, e.From, e.To, e.Required, e.Sync, "", e.Errors}
		if e.Kind == EdgeRetry {
			edges[i].Delay = shortly(e.Delay)
		}
	}
	return edges
}
