package dashboards

import "slipway.dev/slipway/components/monitoring/rules"

// Dashboard is one page.
type Dashboard struct {
	// Name is that of the file and, behind "slipway-", the page's address, which
	// links keep.
	Name, Title string
	Rows        []Row
}

// Row is a line of panels below a heading.
type Row struct {
	Title  string
	Panels []Panel
}

// Panel is one picture.
type Panel struct {
	Title string
	// Tells says what to read from it.
	Tells string
	Unit  Unit
	// Number shows the last value instead of a graph.
	Number bool
	// Limit draws a line where somebody is told; 0: none.
	Limit   float64
	Queries []Query
	// Traced is one more series, of which requests with a trace are drawn as
	// points. Zero: none.
	Traced Query
}

// Query is a series, or several told apart by Legend: a text with labels as
// {{label}}.
type Query struct{ Expr, Legend string }

// Unit is how Grafana writes a value. The names are Grafana's own.
type Unit string

// Units of panels.
const (
	Plain       Unit = "short"
	PerSecond   Unit = "reqps"
	Share       Unit = "percentunit"
	Seconds     Unit = "s"
	Bytes       Unit = "bytes"
	BytesPerSec Unit = "Bps"
)

// All returns every dashboard of a platform with these rules.
func All(o rules.Options) []Dashboard {
	all := []Dashboard{overview(o), database(o), cluster()}
	return append(all, logs(o)...)
}

// Expressions returns everything that a dashboard asks for.
func (d Dashboard) Expressions() []string {
	var all []string
	for _, row := range d.Rows {
		for _, panel := range row.Panels {
			for _, query := range panel.Queries {
				all = append(all, query.Expr)
			}
			if panel.Traced.Expr != "" {
				all = append(all, panel.Traced.Expr)
			}
		}
	}
	return all
}

// one is a query that has one series.
func one(expr, legend string) []Query { return []Query{{expr, legend}} }
