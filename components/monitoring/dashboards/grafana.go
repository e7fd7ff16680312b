package dashboards

import (
	"encoding/json"
	"fmt"
)

// What Grafana reads. Only what is said differs from Grafana's own defaults.
type (
	page struct {
		UID           string     `json:"uid"`
		Title         string     `json:"title"`
		Tags          []string   `json:"tags"`
		SchemaVersion int        `json:"schemaVersion"`
		Editable      bool       `json:"editable"`
		Refresh       string     `json:"refresh"`
		Time          span       `json:"time"`
		Links         []link     `json:"links"`
		Templating    templating `json:"templating"`
		Panels        []box      `json:"panels"`
	}
	span struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	link struct {
		Title    string   `json:"title"`
		Type     string   `json:"type"`
		Tags     []string `json:"tags"`
		KeepTime bool     `json:"keepTime"`
	}
	templating struct {
		List []variable `json:"list"`
	}
	variable struct {
		Name  string `json:"name"`
		Label string `json:"label"`
		Type  string `json:"type"`
		Query string `json:"query"`
	}
	box struct {
		ID          int      `json:"id"`
		Type        string   `json:"type"`
		Title       string   `json:"title"`
		Description string   `json:"description,omitempty"`
		GridPos     place    `json:"gridPos"`
		DataSource  *source  `json:"datasource,omitempty"`
		Targets     []target `json:"targets,omitempty"`
		FieldConfig *fields  `json:"fieldConfig,omitempty"`
		Options     any      `json:"options,omitempty"`
	}
	place struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	}
	source struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}
	target struct {
		RefID        string `json:"refId"`
		DataSource   source `json:"datasource"`
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
		Exemplar     bool   `json:"exemplar,omitempty"`
	}
	fields struct {
		Defaults  defaults `json:"defaults"`
		Overrides []any    `json:"overrides"`
	}
	defaults struct {
		Unit       Unit       `json:"unit"`
		Min        *float64   `json:"min,omitempty"`
		Custom     any        `json:"custom,omitempty"`
		Thresholds thresholds `json:"thresholds"`
	}
	thresholds struct {
		Mode  string `json:"mode"`
		Steps []step `json:"steps"`
	}
	step struct {
		Color string   `json:"color"`
		Value *float64 `json:"value"`
	}
)

// schema is that of Grafana 9; later ones read it and bring it up to date.
const schema = 36

// prometheus is the data source that the page's variable names, so that a page
// does not depend on what it is called in some Grafana.
var prometheus = source{"prometheus", "${datasource}"}

// tag is by which the pages find each other.
const tag = "slipway"

// The page's grid: its columns and the height of each kind of panel.
const (
	columns      = 24
	graphHeight  = 8
	numberHeight = 4
)

// JSON writes a dashboard as Grafana reads it.
func (d Dashboard) JSON() (string, error) {
	made := page{
		UID: tag + "-" + d.Name, Title: d.Title, Tags: []string{tag}, SchemaVersion: schema,
		Refresh: "30s", Time: span{"now-3h", "now"},
		Links:      []link{{Title: "Slipway", Type: "dashboards", Tags: []string{tag}, KeepTime: true}},
		Templating: templating{[]variable{{"datasource", "Prometheus", "datasource", "prometheus"}}},
	}
	y := 0
	for _, row := range d.Rows {
		made.Panels = append(made.Panels, box{
			ID: len(made.Panels) + 1, Type: "row", Title: row.Title, GridPos: place{W: columns, H: 1, Y: y},
		})
		y++
		width, height := columns/len(row.Panels), 0
		for i, panel := range row.Panels {
			drawn := panel.box(len(made.Panels) + 1)
			drawn.GridPos.X, drawn.GridPos.Y, drawn.GridPos.W = i*width, y, width
			height = max(height, drawn.GridPos.H)
			made.Panels = append(made.Panels, drawn)
		}
		y += height
	}
	text, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return "", fmt.Errorf("writing dashboard %s: %w", d.Name, err)
	}
	return string(text) + "\n", nil
}

// letter is what Grafana calls the query at a place.
func letter(place int) string { return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place : place+1] }

func (p Panel) box(id int) box {
	zero, from := 0.0, prometheus
	made := box{
		ID: id, Type: "timeseries", Title: p.Title, Description: p.Tells, DataSource: &from,
		GridPos: place{H: graphHeight},
		FieldConfig: &fields{Overrides: []any{}, Defaults: defaults{
			Unit: p.Unit, Min: &zero, Thresholds: thresholds{"absolute", []step{{"green", nil}}},
		}},
	}
	limits := &made.FieldConfig.Defaults
	if p.Limit > 0 {
		limits.Thresholds.Steps = append(limits.Thresholds.Steps, step{"red", &p.Limit})
	}
	if p.Number {
		made.Type, made.GridPos.H = "stat", numberHeight
		made.Options = map[string]any{
			"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}}, "graphMode": "none",
		}
	} else {
		custom := map[string]any{"fillOpacity": 10, "showPoints": "never"}
		if p.Limit > 0 {
			custom["thresholdsStyle"] = map[string]string{"mode": "line"}
		}
		limits.Custom = custom
	}
	for i, query := range p.Queries {
		made.Targets = append(made.Targets, target{RefID: letter(i), DataSource: prometheus, Expr: query.Expr, LegendFormat: query.Legend})
	}
	if traced := p.Traced; traced.Expr != "" {
		made.Targets = append(made.Targets, target{
			RefID: letter(len(p.Queries)), DataSource: prometheus, Expr: traced.Expr, LegendFormat: traced.Legend, Exemplar: true,
		})
	}
	return made
}
