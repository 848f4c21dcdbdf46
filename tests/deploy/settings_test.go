package deploy

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// flag is what the binary's help says of one.
type flag struct{ variable, preset string }

// flags are those of a subcommand, by name without dashes, as the recorded help says: the tests of
// the binary compare that with what it prints.
func flags(t testing.TB, command string) map[string]flag {
	t.Helper()
	help := read(t, "crates/erboh/tests/it/snapshots/it__cli__help_"+command+".snap")
	found := map[string]flag{}
	sections := regexp.MustCompile(`(?m)^ +(?:-., )?--`).Split(help, -1)
	for _, section := range sections[1:] {
		flagName := regexp.MustCompile(`^[a-z-]+`).FindString(section)
		if flagName == "help" {
			continue
		}
		one := flag{}
		if variable := regexp.MustCompile(`\[env: ([A-Z_]+)`).FindStringSubmatch(section); variable != nil {
			one.variable = variable[1]
		}
		if preset := regexp.MustCompile(`(?m)^ +\[default: (.*)\]$`).FindStringSubmatch(section); preset != nil {
			one.preset = preset[1]
		}
		found[flagName] = one
	}
	if len(found) < 3 {
		t.Fatalf("%s: no flags were found in the recorded help", command)
	}
	return found
}

func sameSet(t *testing.T, what string, left, right []string) {
	t.Helper()
	slices.Sort(left)
	slices.Sort(right)
	for _, one := range left {
		if !slices.Contains(right, one) {
			t.Errorf("%s: %s is missing on the right", what, one)
		}
	}
	for _, one := range right {
		if !slices.Contains(left, one) {
			t.Errorf("%s: %s is missing on the left", what, one)
		}
	}
}

// Each flag of a role is a setting of that name in the chart, and there are no others.
func TestFlagsAreSettings(t *testing.T) {
	schema := values(t, chartPath+"/values.schema.json")
	for _, role := range []string{"producer", "consumer"} {
		listed := map[string]bool{}
		part := at(schema, "$defs", role+"Settings").(map[string]any)
		listSchema(schema, part, "", listed)
		what := "flags of erboh " + role + " (left) and its settings in values.schema.json (right)"
		sameSet(t, what, slices.Collect(maps.Keys(flags(t, role))), slices.Collect(maps.Keys(listed)))
	}
}

// A setting reaches the binary as the variable of its flag: the sets of values beside the chart,
// taken together, make all of the variables and no others.
func TestSettingsAreVariables(t *testing.T) {
	given := map[string]map[string]bool{"producer": {}, "consumer": {}}
	for name, set := range sets(t) {
		rendered, err := render(t, "appdev", set)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, deployment := range ofKind(rendered, "Deployment") {
			role := deployment.GetLabels()["app.kubernetes.io/component"]
			for _, container := range list(deployment.Object, "spec", "template", "spec", "containers") {
				for _, variable := range list(container, "env") {
					if name := variable["name"].(string); strings.HasPrefix(name, "ERBOH_") {
						given[role][name] = true
					}
				}
			}
		}
	}
	for role, variables := range given {
		var known []string
		for _, flag := range flags(t, role) {
			known = append(known, flag.variable)
		}
		what := "variables of erboh " + role + " (left) and those of the pods of ci/*.yaml (right)"
		sameSet(t, what, known, slices.Collect(maps.Keys(variables)))
	}
}

// What can be set is written down somewhere besides --help.
func TestFlagsAreInTheDocuments(t *testing.T) {
	text := read(t, "README.md")
	for _, path := range append(files(t, "docs/*.md"), files(t, filepath.Join(chartPath, "README.md"))...) {
		text += read(t, path)
	}
	for _, role := range []string{"producer", "consumer"} {
		for name := range flags(t, role) {
			mentioned := regexp.MustCompile("(--|`)" + name + "\\b")
			if !mentioned.MatchString(text) {
				t.Errorf("no page mentions --%s of erboh %s", name, role)
			}
		}
	}
}
