package deploy

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apis "github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// build is `kustomize build`, with Flux' restriction to what is below the source's root.
func build(t testing.TB, source, path string) []object {
	t.Helper()
	built, err := kustomize.SecureBuild(source, filepath.Join(source, path), false)
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return objects(t, string(text))
}

// source is a copy of what a git repository, or an artifact, gives Flux.
func source(t testing.TB) string {
	t.Helper()
	directory := t.TempDir()
	for _, part := range []string{"deploy", "charts"} {
		if err := os.CopyFS(filepath.Join(directory, part), os.DirFS(filepath.Join(root, part))); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

// reconcile is `flux build kustomization --dry-run`, by the same library: the objects that a Flux
// Kustomization applies.
func reconcile(t testing.TB, kustomization object) []object {
	t.Helper()
	if at(kustomization.Object, "spec", "postBuild") != nil {
		t.Fatalf("%s has postBuild, which this check does not substitute yet", name(kustomization))
	}
	source := source(t)
	path, _, _ := unstructured.NestedString(kustomization.Object, "spec", "path")
	if _, err := kustomize.NewGenerator(source, kustomization).WriteFile(filepath.Join(source, path)); err != nil {
		t.Fatalf("%s: %v", name(kustomization), err)
	}
	return build(t, source, path)
}

// tree is all that comes of a root: the Flux Kustomizations, the root first, and what they apply.
type tree struct{ kustomizations, applied []object }

func treeOf(t testing.TB, top object) (whole tree) {
	t.Helper()
	for open := []object{top}; len(open) > 0; open = open[1:] {
		applied := reconcile(t, open[0])
		whole.kustomizations = append(whole.kustomizations, open[0])
		whole.applied = append(whole.applied, applied...)
		open = append(open, ofKind(applied, "Kustomization")...)
	}
	return whole
}

// bootstrapped is the Kustomization that `flux bootstrap --path=./deploy/ops/PROFILE` makes.
func bootstrapped(t testing.TB, profile string) object {
	t.Helper()
	return objects(t, `
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec:
  interval: 10m0s
  path: ./deploy/ops/`+profile+`
  prune: true
  sourceRef: {kind: GitRepository, name: flux-system}
`)[0]
}

// built holds the trees, which are built once: no test changes them.
var built map[string]tree

// trees are those that a cluster may come from: one for each profile, from a git repository, and
// `kind`, the one without a git host.
func trees(t testing.TB) map[string]tree {
	t.Helper()
	if built == nil {
		built = map[string]tree{}
		for _, profile := range profiles {
			built[profile] = treeOf(t, bootstrapped(t, profile))
		}
		withoutGit := only(t, objects(t, read(t, "deploy/kind/flux-system.yaml")), "Kustomization", "flux-system")
		built["kind"] = treeOf(t, withoutGit)
	}
	return built
}

// release is the HelmRelease of erboh in a profile.
func release(t testing.TB, profile string) object {
	t.Helper()
	return only(t, build(t, source(t), "deploy/releases/erboh/"+profile), "HelmRelease", "erboh")
}

// releaseValues are the values of a HelmRelease, with the Secret's name in place of what it holds.
func releaseValues(t testing.TB, release object) map[string]any {
	t.Helper()
	merged, _, _ := unstructured.NestedMap(release.Object, "spec", "values")
	references, _, _ := unstructured.NestedSlice(release.Object, "spec", "valuesFrom")
	for _, reference := range references {
		reference := reference.(map[string]any)
		path := strings.Split(reference["targetPath"].(string), ".")
		if err := unstructured.SetNestedField(merged, reference["name"], path...); err != nil {
			t.Fatal(err)
		}
	}
	return merged
}

func TestEveryFolderCanBeBuilt(t *testing.T) {
	found := 0
	err := filepath.WalkDir(filepath.Join(root, "deploy"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.Name() != "kustomization.yaml" {
			return err
		}
		found++
		directory, _ := filepath.Rel(root, filepath.Dir(path))
		t.Run(directory, func(t *testing.T) {
			built := build(t, source(t), directory)
			if strings.HasPrefix(directory, "deploy/releases/erboh/base") {
				return // half a HelmRelease, which a profile completes
			}
			accept(t, built)
		})
		return nil
	})
	if err != nil || found < 10 {
		t.Errorf("%d folders: %v", found, err)
	}
}

func TestEveryTreeIsAccepted(t *testing.T) {
	accept(t, objects(t, read(t, "deploy/kind/flux-system.yaml")))
	for name, tree := range trees(t) {
		t.Run(name, func(t *testing.T) {
			accept(t, tree.applied)
			top := tree.kustomizations[0]
			for _, one := range tree.kustomizations[1:] {
				if at(one.Object, "spec", "wait") != true || at(one.Object, "spec", "prune") != true {
					t.Errorf("%s must wait and prune", one.GetName())
				}
				if kind := at(top.Object, "spec", "sourceRef", "kind"); at(one.Object, "spec", "sourceRef", "kind") != kind {
					t.Errorf("%s does not come from the %s that the rest comes from", one.GetName(), kind)
				}
			}
		})
	}
}

// What is waited for is there, and nothing waits for itself.
func TestOrder(t *testing.T) {
	for root, tree := range trees(t) {
		for kind, ordered := range map[string][]object{
			"Kustomization": tree.kustomizations,
			"HelmRelease":   ofKind(tree.applied, "HelmRelease"),
		} {
			waiting := map[string][]string{}
			for _, o := range ordered {
				waiting[o.GetName()] = dependencies(o)
			}
			if left := neverReady(waiting); len(left) > 0 {
				t.Errorf("%s: these %ss wait for what is not there, or for each other: %v", root, kind, left)
			}
		}
	}
}

func dependencies(o object) (names []string) {
	found, _, _ := unstructured.NestedSlice(o.Object, "spec", "dependsOn")
	for _, one := range found {
		names = append(names, one.(map[string]any)["name"].(string))
	}
	return names
}

// neverReady are those that are left when all whose dependencies are Ready become Ready.
func neverReady(waiting map[string][]string) map[string][]string {
	ready := map[string]bool{}
	waiting = maps.Clone(waiting)
	for again := true; again; {
		again = false
		for name, needed := range waiting {
			if !slices.ContainsFunc(needed, func(other string) bool { return !ready[other] }) {
				ready[name], again = true, true
				delete(waiting, name)
			}
		}
	}
	return waiting
}

func TestCirclesAndMissingNamesAreFound(t *testing.T) {
	check := func(waiting map[string][]string, left int) {
		t.Helper()
		if found := neverReady(waiting); len(found) != left {
			t.Errorf("%v: %v", waiting, found)
		}
	}
	check(map[string][]string{"a": nil, "b": {"a"}, "c": {"a", "b"}}, 0)
	check(map[string][]string{"a": nil, "b": {"a", "c"}, "c": {"b"}}, 2)
	check(map[string][]string{"a": {"b"}}, 1)
}

// status is what statuses.yaml records of an object: its generation and its status.
type status struct {
	Kind       string
	Case       string
	Healthy    bool
	Generation int64
	Status     map[string]any
}

// A Kafka, a topic and a user count as healthy when their operator says that they are Ready, and
// not before.
func TestHealth(t *testing.T) {
	var recorded []status
	if err := yaml.UnmarshalStrict([]byte(read(t, "tests/deploy/statuses.yaml")), &recorded); err != nil {
		t.Fatal(err)
	}
	for root, tree := range trees(t) {
		expressions := map[string]apis.HealthCheckExpressions{}
		for _, one := range tree.kustomizations {
			var spec struct {
				HealthCheckExprs []apis.CustomHealthCheck `json:"healthCheckExprs"`
			}
			text, _ := yaml.Marshal(one.Object["spec"])
			if err := yaml.Unmarshal(text, &spec); err != nil {
				t.Fatal(err)
			}
			for _, check := range spec.HealthCheckExprs {
				if check.APIVersion != "kafka.strimzi.io/v1" {
					t.Errorf("%s: there are no recorded statuses of %s", root, check.APIVersion)
				}
				expressions[check.Kind] = check.HealthCheckExpressions
			}
		}
		for _, record := range recorded {
			expression, found := expressions[record.Kind]
			if !found {
				t.Errorf("%s: no expression says when a %s is healthy", root, record.Kind)
				continue
			}
			healthy, err := isHealthy(&expression, record)
			if healthy != record.Healthy {
				t.Errorf("%s: %s, %s: healthy is %t (%v)", root, record.Kind, record.Case, healthy, err)
			}
		}
		for kind := range expressions {
			if !slices.ContainsFunc(recorded, func(record status) bool { return record.Kind == kind && record.Healthy }) {
				t.Errorf("%s: %s has an expression, and no recorded status that it is true of", root, kind)
			}
		}
	}
}

// isHealthy asks as kustomize-controller does, which goes on waiting after an error.
func isHealthy(expressions *apis.HealthCheckExpressions, record status) (bool, error) {
	evaluator, err := cel.NewStatusEvaluator(expressions)
	if err != nil {
		return false, err
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "kafka.strimzi.io/v1", "kind": record.Kind,
		"metadata": map[string]any{"name": "x", "generation": record.Generation},
		"status":   record.Status,
	})
	if err != nil {
		return false, err
	}
	var o object
	if err := o.UnmarshalJSON(text); err != nil {
		return false, err
	}
	if record.Status == nil {
		delete(o.Object, "status")
	}
	result, err := evaluator.Evaluate(context.Background(), &o)
	if err != nil {
		return false, err
	}
	return result.Status == "Current", nil
}

// The form that is widely copied takes a Kafka for healthy that is not: the records can tell.
func TestTheRecordsTellAFalseExpression(t *testing.T) {
	vacuous := apis.HealthCheckExpressions{Current: "status.conditions.filter(c, c.type == 'Ready').all(c, c.status == 'True')"}
	record := status{Kind: "Kafka", Status: map[string]any{"conditions": []any{
		map[string]any{"type": "NotReady", "status": "True"},
	}}}
	if healthy, err := isHealthy(&vacuous, record); !healthy {
		t.Error("NotReady alone must be what tells these forms apart", err)
	}
}
