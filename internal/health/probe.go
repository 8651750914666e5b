package health

import (
	"encoding/json"
	"net/http"
)

// Handler serves the probes under /healthz/: 200, or 503 with the reasons.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, probe := range map[string]func() []string{"startup": h.Startup, "ready": h.Ready, "live": h.Live} {
		mux.HandleFunc("GET /healthz/"+path, func(w http.ResponseWriter, _ *http.Request) {
			answer(w, probe())
		})
	}
	return mux
}

func answer(w http.ResponseWriter, problems []string) {
	body := struct {
		Status   string   `json:"status"`
		Problems []string `json:"problems,omitempty"`
	}{"ok", problems}
	w.Header().Set("Content-Type", "application/json")
	if len(problems) > 0 {
		body.Status = "failing"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // the prober has gone
}
