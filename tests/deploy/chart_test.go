package deploy

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

const (
	chartPath = "charts/erboh"
	// What the cluster of deploy/kind/cluster.yaml runs.
	kubeVersion = "v1.36.1"
)

func loadChart(t testing.TB) *chart.Chart {
	t.Helper()
	loaded, err := loader.LoadDir(filepath.Join(root, chartPath))
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// render is `helm template`: the objects that these values make, without the notes.
func render(t testing.TB, namespace string, given map[string]any) ([]object, error) {
	t.Helper()
	version, err := common.ParseKubeVersion(kubeVersion)
	if err != nil {
		t.Fatal(err)
	}
	capabilities := common.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	release := common.ReleaseOptions{Name: "erboh", Namespace: namespace, Revision: 1, IsInstall: true}
	loaded := loadChart(t)
	all, err := util.ToRenderValues(loaded, given, release, capabilities)
	if err != nil {
		return nil, err
	}
	rendered, err := engine.Render(loaded, all)
	if err != nil {
		return nil, err
	}
	var found []object
	for _, path := range slices.Sorted(maps.Keys(rendered)) {
		if strings.HasSuffix(path, ".yaml") {
			found = append(found, objects(t, rendered[path])...)
		}
	}
	return found, nil
}

// sets are the chart's values of all kinds: those beside it, and those of each profile.
func sets(t *testing.T) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	for _, path := range files(t, chartPath+"/ci/*.yaml") {
		found[path] = values(t, path)
	}
	for _, profile := range profiles {
		found["profile "+profile] = releaseValues(t, release(t, profile))
	}
	return found
}

func TestEveryValueSetIsAccepted(t *testing.T) {
	for name, set := range sets(t) {
		t.Run(name, func(t *testing.T) {
			rendered, err := render(t, "appdev", set)
			if err != nil {
				t.Fatal(err)
			}
			accept(t, rendered)
			for _, o := range rendered {
				if o.GetNamespace() != "appdev" {
					t.Errorf("%s is not in the release's namespace", o.GetName())
				}
			}
			// helm lint --strict: a warning is a failure.
			linter := lint.RunAll(filepath.Join(root, chartPath), set, "appdev")
			for _, message := range linter.Messages {
				// It misses an icon, which nothing shows.
				if !strings.Contains(message.Err.Error(), "icon is recommended") {
					t.Error(message)
				}
			}
		})
	}
}

func TestValuesThatMakeNoSenseAreRefused(t *testing.T) {
	for _, path := range files(t, chartPath+"/ci/refused/*.yaml") {
		t.Run(path, func(t *testing.T) {
			reason := refusal(t, path)
			_, err := render(t, "appdev", values(t, path))
			if err == nil {
				t.Fatal("rendered")
			}
			if !strings.Contains(err.Error(), reason) {
				t.Errorf("refused for\n%v\nand not for %q", err, reason)
			}
		})
	}
}

// Every value is in the schema, and whatever the schema lists as the chart's own has a default.
func TestSchemaAndDefaultsListTheSameValues(t *testing.T) {
	schema := values(t, chartPath+"/values.schema.json")
	defaults := values(t, chartPath+"/values.yaml")
	listed, given := map[string]bool{}, map[string]bool{}
	listSchema(schema, schema, "", listed)
	listValues(defaults, "", listed, given)
	for path := range given {
		if !listed[path] {
			t.Errorf("values.yaml has %s, values.schema.json has not", path)
		}
	}
	for path := range listed {
		// Settings have the binary's defaults, and `global` is Helm's.
		if !given[path] && !strings.Contains("."+path, ".settings.") && path != "global" {
			t.Errorf("values.schema.json has %s, values.yaml has not", path)
		}
	}
}

// resolve follows a reference inside of the schema.
func resolve(schema, part map[string]any) map[string]any {
	if reference, ok := part["$ref"].(string); ok {
		path := strings.Split(strings.TrimPrefix(reference, "#/"), "/")
		return at(schema, path...).(map[string]any)
	}
	return part
}

// listSchema lists the paths of all properties.
func listSchema(schema, part map[string]any, path string, found map[string]bool) {
	part = resolve(schema, part)
	if all, ok := part["allOf"].([]any); ok {
		for _, one := range all {
			listSchema(schema, one.(map[string]any), path, found)
		}
	}
	properties, _ := part["properties"].(map[string]any)
	for key, property := range properties {
		found[path+key] = true
		listSchema(schema, property.(map[string]any), path+key+".", found)
	}
}

// listValues lists the paths of all values, as far down as the schema goes.
func listValues(part map[string]any, path string, listed, found map[string]bool) {
	for key, value := range part {
		found[path+key] = true
		below, isMap := value.(map[string]any)
		goesOn := slices.ContainsFunc(slices.Collect(maps.Keys(listed)), func(other string) bool {
			return strings.HasPrefix(other, path+key+".")
		})
		if isMap && goesOn {
			listValues(below, path+key+".", listed, found)
		}
	}
}
