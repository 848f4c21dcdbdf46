// Writes ../schemas: the custom resource definitions of the versions that deploy/ installs, from
// where their projects publish them. Descriptions are left out; what is checked is all there.
//
//	cargo xtask deploy --update-schemas
//
// Strimzi publishes its API as classes, and the program that makes the definitions of them: it
// needs Maven and Java 21 or newer (JAVA_HOME says which one).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// modules has, for each Go module, the folder of its definitions and the files that are used here.
var modules = []struct {
	module, folder string
	files          []string
}{
	{"github.com/fluxcd/source-controller@v1.9.5", "config/crd/bases", []string{
		"source.toolkit.fluxcd.io_gitrepositories.yaml",
		"source.toolkit.fluxcd.io_helmrepositories.yaml",
		"source.toolkit.fluxcd.io_ocirepositories.yaml",
	}},
	{"github.com/fluxcd/kustomize-controller@v1.9.5", "config/crd/bases", []string{
		"kustomize.toolkit.fluxcd.io_kustomizations.yaml",
	}},
	{"github.com/fluxcd/helm-controller@v1.6.4", "config/crd/bases", []string{
		"helm.toolkit.fluxcd.io_helmreleases.yaml",
	}},
	{"github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases", []string{
		"keda.sh_scaledobjects.yaml",
		"keda.sh_triggerauthentications.yaml",
	}},
	{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd", []string{
		"monitoring.coreos.com_podmonitors.yaml",
		"monitoring.coreos.com_prometheusrules.yaml",
	}},
	{"sigs.k8s.io/gateway-api@v1.6.3", "config/crd/standard", []string{
		"gateway.networking.k8s.io_httproutes.yaml",
	}},
}

func main() {
	log.SetFlags(0)
	strimzi, err := os.MkdirTemp("", "strimzi")
	check(err)
	defer os.RemoveAll(strimzi)
	run("mvn", "--batch-mode", "--quiet", "--file", "update/pom.xml", "compile", "exec:java", "-Dout="+strimzi)
	generated, err := filepath.Glob(filepath.Join(strimzi, "*.yaml"))
	check(err)
	for _, file := range generated {
		write(file, "kafka.strimzi.io_"+filepath.Base(file), "Strimzi's API classes (update/pom.xml)")
	}
	for _, source := range modules {
		var module struct{ Dir string }
		check(json.Unmarshal(run("go", "mod", "download", "-json", source.module), &module))
		for _, file := range source.files {
			write(filepath.Join(module.Dir, source.folder, file), file, source.module)
		}
	}
}

// write reads a definition and writes what is checked of it.
func write(from, name, source string) {
	text, err := os.ReadFile(from)
	check(err)
	var definition map[string]any
	check(yaml.Unmarshal(text, &definition))
	metadata := definition["metadata"].(map[string]any)
	definition["metadata"] = map[string]any{"name": metadata["name"]}
	for _, version := range definition["spec"].(map[string]any)["versions"].([]any) {
		version := version.(map[string]any)
		delete(version, "additionalPrinterColumns")
		withoutDescriptions(version["schema"])
	}
	short, err := yaml.Marshal(definition)
	check(err)
	head := fmt.Sprintf("# Made by `cargo xtask deploy --update-schemas` of %s.\n", source)
	check(os.WriteFile(filepath.Join("schemas", name), append([]byte(head), short...), 0o644))
}

// withoutDescriptions takes the descriptions out of a schema. A property may have that name too,
// but then it is a schema and no text.
func withoutDescriptions(schema any) {
	switch schema := schema.(type) {
	case map[string]any:
		if _, isText := schema["description"].(string); isText {
			delete(schema, "description")
		}
		for _, child := range schema {
			withoutDescriptions(child)
		}
	case []any:
		for _, child := range schema {
			withoutDescriptions(child)
		}
	}
}

func run(name string, arguments ...string) []byte {
	var out bytes.Buffer
	command := exec.Command(name, arguments...)
	command.Stdout, command.Stderr = &out, os.Stderr
	if err := command.Run(); err != nil {
		log.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, out.String())
	}
	return out.Bytes()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
