package deploy

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// metrics are those that the page lists, with their labels. A test of the binary compares the page
// with what the roles show.
func metrics(t testing.TB) map[string][]string {
	t.Helper()
	// What a scrape adds to each.
	added := []string{"namespace", "job", "pod", "instance", "container", "endpoint", "__name__"}
	found := map[string][]string{}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram|info) \\| ([a-z, ]*)\\|")
	for _, line := range row.FindAllStringSubmatch(read(t, "docs/observability.md"), -1) {
		labels := append(strings.Split(strings.TrimSpace(line[3]), ", "), added...)
		if line[2] != "histogram" {
			found[line[1]] = labels
			continue
		}
		for _, ending := range []string{"_bucket", "_sum", "_count"} {
			found[line[1]+ending] = append([]string{"le"}, labels...)
		}
	}
	if len(found) < 20 {
		t.Fatalf("docs/observability.md has only %d metrics", len(found))
	}
	return found
}

// checkQuery fails the test if the query is none, or asks for what erboh does not show.
func checkQuery(t *testing.T, query string) {
	t.Helper()
	known := metrics(t)
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", query, err)
		return
	}
	var labels, possible []string
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			matched := 0
			for name := range known {
				isMeant := node.Name == name
				for _, matcher := range node.LabelMatchers {
					if matcher.Name == "__name__" && node.Name == "" {
						isMeant = matcher.Matches(name)
					} else if matcher.Name != "__name__" {
						labels = append(labels, matcher.Name)
					}
				}
				if isMeant {
					matched++
					possible = append(possible, known[name]...)
				}
			}
			if matched == 0 {
				t.Errorf("%s: erboh has no metric %s", query, node)
			}
		case *parser.AggregateExpr:
			labels = append(labels, node.Grouping...)
		}
		return nil
	})
	for _, label := range labels {
		if !slices.Contains(possible, label) {
			t.Errorf("%s: these metrics have no label %s", query, label)
		}
	}
}

const alertTests = "charts/erboh-tests/rules_test.yaml"

// rule is an alert of the chart.
type rule struct{ Alert, Expr string }

func rules(t testing.TB) (all []rule) {
	t.Helper()
	for _, group := range list(values(t, chartPath+"/files/rules.yaml"), "groups") {
		for _, one := range list(group, "rules") {
			all = append(all, rule{one["alert"].(string), one["expr"].(string)})
		}
	}
	return all
}

func TestQueriesAskForWhatThereIs(t *testing.T) {
	for _, rule := range rules(t) {
		checkQuery(t, rule.Expr)
	}
	var dashboard map[string]any
	if err := json.Unmarshal([]byte(read(t, chartPath+"/files/dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := 0
	// What Grafana puts in: an interval, and anything that was chosen.
	filled := strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*", "$job", ".*")
	var walk func(any)
	walk = func(part any) {
		switch part := part.(type) {
		case map[string]any:
			if query, ok := part["expr"].(string); ok {
				queries++
				checkQuery(t, filled.Replace(query))
			}
			for _, below := range part {
				walk(below)
			}
		case []any:
			for _, below := range part {
				walk(below)
			}
		}
	}
	walk(dashboard)
	if queries < 10 {
		t.Errorf("the dashboard has only %d queries", queries)
	}
}

// promtool runs what is written down beside the chart: series, and what fires when. Each alert of the
// chart must be seen firing there.
func TestAlerts(t *testing.T) {
	fires := read(t, alertTests)
	for _, rule := range rules(t) {
		if !strings.Contains(fires, fmt.Sprintf("alertname=%q", rule.Alert)) {
			t.Errorf("%s does not show when %s fires", alertTests, rule.Alert)
		}
	}
	// Without what discovers targets in clouds it builds in half the time.
	promtool := filepath.Join(t.TempDir(), "promtool")
	run(t, "go", "build", "-tags=remove_all_sd", "-o", promtool, "github.com/prometheus/prometheus/cmd/promtool")
	run(t, promtool, "check", "rules", "--lint=all", "--lint-fatal", filepath.Join(root, chartPath, "files/rules.yaml"))
	run(t, promtool, "test", "rules", filepath.Join(root, alertTests))
}

func run(t *testing.T, program string, arguments ...string) {
	t.Helper()
	if output, err := exec.Command(program, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, arguments, err, output)
	}
}
