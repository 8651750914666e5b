package main

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

const (
	width  = 18 * vg.Centimeter
	height = 9 * vg.Centimeter
)

// colour tells karafgo's clients from the others.
func colour(client string) color.Color {
	if strings.HasPrefix(client, ours) {
		return color.RGBA{R: 0x1f, G: 0x77, B: 0xb4, A: 0xff}
	}
	return color.RGBA{R: 0xb0, G: 0xb0, B: 0xb0, A: 0xff}
}

// draw writes the plots of a file of results.
func draw(file, dir string) error {
	rows, err := load(file)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil { //nolint:mnd // others in the group may read
		return err
	}
	var judged []row
	for _, r := range rows {
		if r.GOGC == judgedGOGC {
			judged = append(judged, r)
		}
	}
	bars := []struct {
		file, work, title string
		value             func(row) float64
	}{
		{"cpu-noop-100b", "noop-100b", "CPU per record as a multiple of raw franz-go (100 B)", func(r row) float64 { return r.CPU }},
		{"cpu-noop-1k", "noop-1k", "CPU per record as a multiple of raw franz-go (1 KiB)", func(r row) float64 { return r.CPU }},
		{"latency-p99", string(judgeLatency), "from production to handler in an idle topic, p99, ms", func(r row) float64 { return r.P99 }},
		{"backlog-rss", backlog, "memory with a backlog of 1 GiB, MiB", func(r row) float64 { return r.RSS }},
	}
	for _, b := range bars {
		var of []row
		for _, r := range judged {
			if r.Work == b.work {
				of = append(of, r)
			}
		}
		if len(of) == 0 {
			continue
		}
		if err := drawBars(filepath.Join(dir, b.file+".svg"), b.title, of, b.value); err != nil {
			return err
		}
	}
	for _, kind := range []string{"records", "partitions", "topics", "groups", "headers"} {
		if err := drawGrowth(filepath.Join(dir, "growth-"+kind+".svg"), kind, judged); err != nil {
			return err
		}
	}
	return nil
}

// drawBars draws one bar for each client, the smallest on top.
func drawBars(file, title string, rows []row, value func(row) float64) error {
	slices.SortFunc(rows, func(a, b row) int { return -cmpFloat(value(a), value(b)) })
	p := plot.New()
	p.Title.Text = title
	p.X.Min = 0
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = fmt.Sprintf("%s  %s", r.Client, strconv.FormatFloat(value(r), 'f', 2, 64)) //nolint:mnd // digits
		bar, err := plotter.NewBarChart(plotter.Values{value(r)}, vg.Points(12))              //nolint:mnd // a height that fits
		if err != nil {
			return err
		}
		bar.Horizontal, bar.XMin, bar.LineStyle.Width = true, float64(i), 0
		bar.Color = colour(r.Client)
		p.Add(bar)
	}
	p.NominalY(names...)
	return p.Save(width, height, file)
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// drawGrowth draws what a record costs as something grows, one line for each client.
func drawGrowth(file, kind string, rows []row) error {
	lines := map[string]plotter.XYs{}
	for _, r := range rows {
		size, ok := strings.CutPrefix(r.Work, kind+"-")
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.NewReplacer("k", "000", "m", "000000").Replace(size), 64)
		if err != nil {
			return fmt.Errorf("work %s: %w", r.Work, err)
		}
		lines[r.Client] = append(lines[r.Client], plotter.XY{X: math.Max(n, 0.5), Y: r.NanosPerRecord}) //nolint:mnd // 0 has no logarithm
	}
	if len(lines) == 0 {
		return nil
	}
	p := plot.New()
	p.Title.Text = "CPU per record by number of " + kind
	p.X.Label.Text, p.Y.Label.Text = kind, "ns"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = false, true
	for i, c := range contenders {
		points := lines[c.Name]
		if points == nil {
			continue
		}
		slices.SortFunc(points, func(a, b plotter.XY) int { return cmpFloat(a.X, b.X) })
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, dots.Color = colour(c.Name), colour(c.Name)
		if i%2 == 1 {
			line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)} //nolint:mnd // dashes
		}
		p.Add(line, dots)
		p.Legend.Add(c.Name, line, dots)
	}
	for _, points := range lines {
		for _, xy := range points {
			p.Y.Max = math.Max(p.Y.Max, xy.Y*1.15) //nolint:mnd // some room
		}
	}
	return p.Save(width, height, file)
}
