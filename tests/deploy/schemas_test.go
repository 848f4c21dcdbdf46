package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// definition is what the API server makes of one version of a custom resource definition.
type definition struct {
	structural *structuralschema.Structural
	validator  validation.SchemaValidator
	rules      *cel.Validator
}

// definitions are those of schemas/, read once.
var definitions = sync.OnceValues(func() (map[schema.GroupVersionKind]definition, error) {
	found := map[schema.GroupVersionKind]definition{}
	paths, err := filepath.Glob("schemas/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var crd v1.CustomResourceDefinition
		if err := yaml.UnmarshalStrict(text, &crd); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, version := range crd.Spec.Versions {
			var props apiextensions.JSONSchemaProps
			err := v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(version.Schema.OpenAPIV3Schema, &props, nil)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", crd.Name, err)
			}
			structural, err := structuralschema.NewStructural(&props)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", crd.Name, err)
			}
			validator, _, err := validation.NewSchemaValidator(&props)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", crd.Name, err)
			}
			rules := cel.NewValidator(structural, true, celconfig.PerCallLimit)
			kind := schema.GroupVersionKind{Group: crd.Spec.Group, Version: version.Name, Kind: crd.Spec.Names.Kind}
			found[kind] = definition{structural, validator, rules}
		}
	}
	return found, nil
})

// core reads what Kubernetes itself defines, and refuses fields that it does not have.
var core = kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme.Scheme, scheme.Scheme,
	kjson.SerializerOptions{Strict: true})

// judge says what an API server would refuse of a manifest, as `kubectl apply` makes it look: fields
// that nobody knows are errors.
func judge(t testing.TB, o object) []string {
	t.Helper()
	all, err := definitions()
	if err != nil {
		t.Fatal(err)
	}
	kind := o.GroupVersionKind()
	if scheme.Scheme.Recognizes(kind) {
		text, err := o.MarshalJSON()
		if err == nil {
			_, _, err = core.Decode(text, nil, nil)
		}
		if err != nil {
			return []string{err.Error()}
		}
		return nil
	}
	crd, known := all[kind]
	if !known {
		var versions []string
		for other := range all {
			if other.GroupKind() == kind.GroupKind() {
				versions = append(versions, other.Version)
			}
		}
		if versions != nil {
			return []string{fmt.Sprintf("there is no version %s of %s, but %s", kind.Version, kind.GroupKind(), strings.Join(versions, ", "))}
		}
		return []string{fmt.Sprintf("nobody defines %s %s: add its definition to tests/deploy/update/main.go", o.GetAPIVersion(), kind.Kind)}
	}
	return crd.judge(runtime.DeepCopyJSON(o.Object))
}

// judge does with an object what the API server does, in the same order.
func (crd definition) judge(content map[string]any) (findings []string) {
	unknown := pruning.PruneWithOptions(content, crd.structural, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	_, _, unknownMeta, err := objectmeta.GetObjectMetaWithOptions(content,
		objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		findings = append(findings, err.Error())
	}
	for _, path := range append(unknown, unknownMeta...) {
		findings = append(findings, fmt.Sprintf("unknown field %q", path))
	}
	defaulting.Default(content, crd.structural)
	var errors field.ErrorList
	errors = append(errors, validation.ValidateCustomResource(nil, content, crd.validator)...)
	errors = append(errors, objectmeta.Validate(nil, content, crd.structural, true)...)
	errors = append(errors, listtype.ValidateListSetsAndMaps(nil, crd.structural, content)...)
	if crd.rules != nil && len(errors) == 0 {
		broken, _ := crd.rules.Validate(context.Background(), nil, crd.structural, content, nil, celconfig.RuntimeCELCostBudget)
		errors = append(errors, broken...)
	}
	for _, err := range errors {
		findings = append(findings, err.Error())
	}
	return findings
}

// accept fails the test if an API server would refuse one of these objects.
func accept(t *testing.T, all []object) {
	t.Helper()
	if len(all) == 0 {
		t.Error("there are no objects")
	}
	for _, o := range all {
		for _, finding := range judge(t, o) {
			t.Errorf("%s: %s", name(o), finding)
		}
	}
}

// What was right in 2021, and what is misspelt, is refused, and for the right reason.
func TestRefused(t *testing.T) {
	for _, path := range files(t, "tests/deploy/refused/*.yaml") {
		t.Run(path, func(t *testing.T) {
			reason := refusal(t, path)
			var findings []string
			for _, o := range objects(t, read(t, path)) {
				findings = append(findings, judge(t, o)...)
			}
			if !strings.Contains(strings.Join(findings, "\n"), reason) {
				t.Errorf("refused for %q, and not for %q", findings, reason)
			}
		})
	}
}
