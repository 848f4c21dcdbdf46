package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/rhysd/actionlint"
	kind "sigs.k8s.io/kind/pkg/cluster"
)

// The image by BuildKit's own parser and linter: what runs in it, and as whom. (`cargo xtask deploy`
// has hadolint judge it too.)
func TestDockerfile(t *testing.T) {
	ast, err := parser.Parse(strings.NewReader(read(t, "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	warn := func(rule, description, _, message string, at []parser.Range) {
		t.Errorf("line %d: %s: %s (%s)", at[0].Start.Line, rule, message, description)
	}
	stages, _, err := instructions.Parse(ast.AST, linter.New(&linter.Config{Warn: warn}))
	if err != nil {
		t.Fatal(err)
	}
	last := stages[len(stages)-1]
	if last.BaseName != "scratch" {
		t.Errorf("the image is made from %s, which may have a shell", last.BaseName)
	}
	var labels, ports []string
	for _, command := range last.Commands {
		switch command := command.(type) {
		case *instructions.UserCommand:
			if command.User != "65532:65532" {
				t.Errorf("it runs as %s, and the chart says 65532", command.User)
			}
			labels = append(labels, "USER")
		case *instructions.EntrypointCommand:
			if !slices.Equal(command.CmdLine, []string{"/usr/bin/erboh"}) || command.PrependShell {
				t.Errorf("it starts %v", command.CmdLine)
			}
			labels = append(labels, "ENTRYPOINT")
		case *instructions.ExposeCommand:
			ports = command.Ports
		case *instructions.LabelCommand:
			for _, label := range command.Labels {
				labels = append(labels, strings.TrimPrefix(label.Key, "org.opencontainers.image."))
			}
		}
	}
	for _, needed := range []string{"USER", "ENTRYPOINT", "title", "source", "version", "revision"} {
		if !slices.Contains(labels, needed) {
			t.Errorf("it has no %s", needed)
		}
	}
	for _, role := range []string{"producer", "consumer"} {
		for _, name := range []string{"listen", "ops-listen"} {
			_, port, _ := strings.Cut(flags(t, role)[name].preset, ":")
			if !slices.Contains(ports, port) {
				t.Errorf("it does not expose %s, the port of --%s of the %s", port, name, role)
			}
		}
	}
}

// The context has all that is copied or compiled, and no more than that.
func TestContext(t *testing.T) {
	patterns, err := ignorefile.ReadAll(strings.NewReader(read(t, ".dockerignore")))
	if err != nil {
		t.Fatal(err)
	}
	if patterns[0] != "*" {
		t.Fatal(".dockerignore must leave everything out but what it names")
	}
	for _, pattern := range patterns[1:] {
		path, isException := strings.CutPrefix(pattern, "!")
		if _, err := os.Stat(filepath.Join(root, path)); !isException || err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
	members := regexp.MustCompile(`(?m)^members = \[(.*)\]`).FindStringSubmatch(read(t, "Cargo.toml"))
	for _, member := range regexp.MustCompile(`"([^"/]+)[^"]*"`).FindAllStringSubmatch(members[1], -1) {
		if !slices.Contains(patterns, "!"+member[1]) {
			t.Errorf("cargo needs %s, which is not in the context", member[1])
		}
	}
}

// The workflows by actionlint; what they use of others is pinned by the commit.
func TestWorkflows(t *testing.T) {
	for _, path := range files(t, ".github/workflows/*.yaml") {
		content := read(t, path)
		var report bytes.Buffer
		lint, err := actionlint.NewLinter(&report, &actionlint.LinterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		found, err := lint.Lint(path, []byte(content), nil)
		if err != nil || len(found) > 0 {
			t.Errorf("%v\n%s", err, report.String())
		}
		pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40} # v[0-9.]+$`)
		for _, uses := range regexp.MustCompile(`(?m)uses: (.+)$`).FindAllStringSubmatch(content, -1) {
			if !pinned.MatchString(uses[1]) {
				t.Errorf("%s: %s must be ACTION@COMMIT # vVERSION", path, uses[1])
			}
		}
	}
	if !strings.Contains(read(t, ".github/workflows/ci.yaml"), "run: bash .ci/run\n") {
		t.Error("ci.yaml does not run .ci/run")
	}
	// The release writes its own registry into the one line that names the image.
	repository := regexp.MustCompile(`(?m)^  repository: .*/erboh$`)
	if found := repository.FindAllString(read(t, chartPath+"/values.yaml"), -1); len(found) != 1 {
		t.Errorf("release.yaml finds the image in values.yaml in %d places", len(found))
	}
}

// kind reads its file, and judges it. Of docker it gets only what it asks before that.
func kindCreate(t *testing.T, config string) error {
	t.Helper()
	bin := t.TempDir()
	script := "#!/bin/sh\ncase $1 in\ninfo) echo '{}' ;;\nps | inspect) ;;\n*) exit 1 ;;\nesac\n"
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	t.Setenv("KUBECONFIG", filepath.Join(bin, "config"))
	provider := kind.NewProvider(kind.ProviderWithDocker())
	return provider.Create("", kind.CreateWithRawConfig([]byte(config)))
}

func TestKind(t *testing.T) {
	config := read(t, "deploy/kind/cluster.yaml")
	if err := kindCreate(t, config); err == nil || !strings.Contains(err.Error(), "command \"docker network") {
		t.Errorf("kind refuses deploy/kind/cluster.yaml: %v", err)
	}
	refuses := func(from, to, reason string) {
		t.Helper()
		if !strings.Contains(config, from) {
			t.Fatalf("deploy/kind/cluster.yaml has no %q to misspell", from)
		}
		if err := kindCreate(t, strings.Replace(config, from, to, 1)); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v, and not %s", to, err, reason)
		}
	}
	refuses("hostPort:", "hostport:", "field hostport not found")
	refuses("v1alpha4", "v1alpha3", "unknown apiVersion")
	refuses("hostPort: 30081", "hostPort: 30080", "port mapping with same listen address")
	for _, node := range list(objects(t, config)[0].Object, "nodes") {
		if image, _ := node["image"].(string); !regexp.MustCompile(`^kindest/node:v[0-9.]+@sha256:[0-9a-f]{64}$`).MatchString(image) {
			t.Errorf("the image %v of a node is not pinned by its digest", image)
		}
	}
}

// containerd refuses to start its pulling of images where registries have mirrors beside a folder of
// hosts, and kind's nodes have that folder; in 2021 this was the way.
func registryMirrors(config string) bool {
	return regexp.MustCompile(`registry(\.|"\]?\.|\].*)*mirrors`).MatchString(config)
}

func TestNoRegistryMirrors(t *testing.T) {
	for _, patch := range containerdPatches(t, read(t, "deploy/kind/cluster.yaml")) {
		if registryMirrors(patch) {
			t.Errorf("containerd 2.2 refuses registry.mirrors:\n%s", patch)
		}
	}
	for _, patch := range containerdPatches(t, read(t, "tests/deploy/refused/kind/cluster-2021.yaml")) {
		if !registryMirrors(patch) {
			t.Errorf("this must be found:\n%s", patch)
		}
	}
}

func containerdPatches(t *testing.T, config string) (patches []string) {
	t.Helper()
	all, _ := at(objects(t, config)[0].Object, "containerdConfigPatches").([]any)
	for _, patch := range all {
		patches = append(patches, patch.(string))
	}
	if len(patches) == 0 {
		t.Fatal("there are no patches")
	}
	return patches
}
