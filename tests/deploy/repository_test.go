// Package deploy checks what is deployed, without a cluster: the chart, the Flux tree, the image
// and the workflows. Each is judged by the program or library that will read it, at the version
// that deploy/ installs.
//
//	cargo xtask deploy
package deploy

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// The repository's root, seen from here.
const root = "../.."

// Each profile is a folder in deploy/ops, deploy/releases/kafka and deploy/releases/erboh.
var profiles = []string{"local", "scale", "cloud"}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// files are those that a pattern below the root names. There must be some: a folder that was
// renamed must not be a check less.
func files(t testing.TB, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("there are no files %s", pattern)
	}
	for i := range found {
		found[i], _ = filepath.Rel(root, found[i])
	}
	return found
}

// object is what a manifest says.
type object = unstructured.Unstructured

// objects are those of a text with any number of YAML documents. A key that stands twice is an error.
func objects(t testing.TB, text string) []object {
	t.Helper()
	var found []object
	reader := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := reader.Read()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		var content map[string]any
		json, err := yaml.YAMLToJSONStrict(document)
		if err == nil {
			err = yaml.Unmarshal(json, &content)
		}
		if err != nil {
			t.Fatalf("%v, in\n%s", err, document)
		}
		if content == nil {
			continue
		}
		one := object{}
		if err := one.UnmarshalJSON(json); err != nil {
			t.Fatalf("%v, in\n%s", err, document)
		}
		found = append(found, one)
	}
}

// values reads a file with one YAML document that is no manifest.
func values(t testing.TB, path string) map[string]any {
	t.Helper()
	var content map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, path)), &content); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return content
}

// refusal is what the first line of a file that must be refused says about why.
func refusal(t testing.TB, path string) string {
	t.Helper()
	first, _, _ := strings.Cut(read(t, path), "\n")
	reason, found := strings.CutPrefix(first, "# refused: ")
	if !found {
		t.Fatalf("%s: the first line must be `# refused: WHY`, WHY a part of the error", path)
	}
	return reason
}

// name says which object it is, for messages.
func name(o object) string {
	return strings.TrimPrefix(o.GetKind()+" "+o.GetNamespace()+"/"+o.GetName(), "/")
}

// at is a value inside of an object, or nil.
func at(content map[string]any, path ...string) any {
	value, _, _ := unstructured.NestedFieldNoCopy(content, path...)
	return value
}

// ofKind are those objects that have this kind.
func ofKind(all []object, kind string) []object {
	var found []object
	for _, o := range all {
		if o.GetKind() == kind {
			found = append(found, o)
		}
	}
	return found
}

// only is the one object of this kind and name.
func only(t testing.TB, all []object, kind, name string) object {
	t.Helper()
	var found []object
	for _, o := range ofKind(all, kind) {
		if o.GetName() == name {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d objects %s %s, and not one", len(found), kind, name)
	}
	return found[0]
}
