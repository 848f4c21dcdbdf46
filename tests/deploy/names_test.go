package deploy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// cluster is what the Kafka objects of one profile say.
type cluster struct {
	all     []object
	kafka   object
	release object
}

func clusters(t testing.TB) map[string]cluster {
	t.Helper()
	found := map[string]cluster{}
	for name, tree := range trees(t) {
		all := tree.applied
		found[name] = cluster{all, only(t, all, "Kafka", "kafka"), only(t, all, "HelmRelease", "erboh")}
	}
	return found
}

// list is a list of maps inside of an object.
func list(content map[string]any, path ...string) (found []map[string]any) {
	all, _, _ := unstructured.NestedSlice(content, path...)
	for _, one := range all {
		found = append(found, one.(map[string]any))
	}
	return found
}

// The operator looks after what has the label of its cluster, in the cluster's namespace; anything
// else it leaves alone, silently.
func TestWhatBelongsToTheCluster(t *testing.T) {
	for profile, c := range clusters(t) {
		for _, kind := range []string{"KafkaNodePool", "KafkaTopic", "KafkaUser"} {
			for _, o := range ofKind(c.all, kind) {
				if label := o.GetLabels()["strimzi.io/cluster"]; label != c.kafka.GetName() {
					t.Errorf("%s: %s has the label strimzi.io/cluster: %q", profile, name(o), label)
				}
				if o.GetNamespace() != c.kafka.GetNamespace() {
					t.Errorf("%s: %s is not in the namespace of its Kafka", profile, name(o))
				}
			}
		}
		namespaces := map[string]bool{"flux-system": true}
		for _, o := range ofKind(c.all, "Namespace") {
			namespaces[o.GetName()] = true
		}
		for _, o := range c.all {
			target, _, _ := unstructured.NestedString(o.Object, "spec", "targetNamespace")
			for _, namespace := range []string{o.GetNamespace(), target} {
				if namespace != "" && !namespaces[namespace] {
					t.Errorf("%s: nobody makes the namespace of %s, %s", profile, name(o), namespace)
				}
			}
		}
	}
}

// The address that erboh gets is that of a listener with TLS and passwords, which lets its
// namespace in.
func TestTheRolesReachKafka(t *testing.T) {
	for profile, c := range clusters(t) {
		brokers := at(releaseValues(t, c.release), "settings", "brokers")
		address := fmt.Sprintf("%s-kafka-bootstrap.%s.svc", c.kafka.GetName(), c.kafka.GetNamespace())
		var found map[string]any
		for _, listener := range list(c.kafka.Object, "spec", "kafka", "listeners") {
			if brokers == fmt.Sprintf("%s:%v", address, listener["port"]) {
				found = listener
			}
		}
		if found == nil || found["tls"] != true || at(found, "authentication", "type") != "scram-sha-512" {
			t.Fatalf("%s: brokers is %v, and no listener at %s with TLS and scram-sha-512 has that port", profile, brokers, address)
		}
		target, _, _ := unstructured.NestedString(c.release.Object, "spec", "targetNamespace")
		letIn := slices.ContainsFunc(list(found, "networkPolicyPeers"), func(peer map[string]any) bool {
			return at(peer, "namespaceSelector", "matchLabels", "kubernetes.io/metadata.name") == target
		})
		if !letIn {
			t.Errorf("%s: the listener does not let the namespace %s in", profile, target)
		}
	}
}

// Flux reads passwords and the CA where the operator writes them, for users that exist.
func TestSecretsAreThoseThatStrimziWrites(t *testing.T) {
	for profile, c := range clusters(t) {
		if c.release.GetNamespace() != c.kafka.GetNamespace() {
			t.Errorf("%s: the HelmRelease is not where Strimzi's Secrets are", profile)
		}
		keys := map[string]string{c.kafka.GetName() + "-cluster-ca-cert": "ca.crt"}
		for _, user := range ofKind(c.all, "KafkaUser") {
			if at(user.Object, "spec", "authentication", "type") == "scram-sha-512" {
				keys[user.GetName()] = "password"
			}
		}
		targets := map[string]string{}
		for _, reference := range list(c.release.Object, "spec", "valuesFrom") {
			secret := reference["name"].(string)
			if reference["kind"] != "Secret" || keys[secret] == "" || keys[secret] != reference["valuesKey"] {
				t.Errorf("%s: Strimzi writes no %v %s with the key %v", profile, reference["kind"], secret, reference["valuesKey"])
			}
			if reference["literal"] != true {
				t.Errorf("%s: without `literal` a comma in what %s holds would be read as syntax", profile, secret)
			}
			targets[reference["targetPath"].(string)] = secret
		}
		for _, role := range []string{"producer", "consumer"} {
			user := at(releaseValues(t, c.release), role, "user", "name")
			if user != targets[role+".user.password"] {
				t.Errorf("%s: the %s is user %v, with the password of %q", profile, role, user, targets[role+".user.password"])
			}
		}
	}
}

// Topics, group and rights are about the names that the binary uses.
func TestTopicsAndRights(t *testing.T) {
	source := read(t, "crates/erboh/src/queue/topics.rs")
	var needed []string
	for _, found := range regexp.MustCompile(`(?:ratings|totals|dead_letters): "([a-z-]+)"`).FindAllStringSubmatch(source, -1) {
		needed = append(needed, found[1])
	}
	if len(needed) != 3 {
		t.Fatalf("the names of topics were not found in queue/topics.rs: %v", needed)
	}
	group := flags(t, "consumer")["group"].preset
	smoke := flags(t, "smoke")["topic"].preset
	for profile, c := range clusters(t) {
		topics := map[string]object{}
		for _, topic := range ofKind(c.all, "KafkaTopic") {
			topics[topic.GetName()] = topic
		}
		for _, topic := range append(needed, smoke) {
			if _, found := topics[topic]; !found {
				t.Errorf("%s: there is no topic %s", profile, topic)
			}
		}
		partitions := func(topic string) any { return at(topics[topic].Object, "spec", "partitions") }
		if partitions(needed[0]) != partitions(needed[1]) {
			t.Errorf("%s: %s and %s must have as many partitions", profile, needed[0], needed[1])
		}
		written := map[string]bool{}
		for _, user := range ofKind(c.all, "KafkaUser") {
			for _, acl := range list(user.Object, "spec", "authorization", "acls") {
				kind, name := at(acl, "resource", "type"), at(acl, "resource", "name").(string)
				if _, found := topics[name]; kind == "topic" && !found || kind == "group" && name != group {
					t.Errorf("%s: %s has rights on a %v %s, which nobody uses", profile, user.GetName(), kind, name)
				}
				operations, _, _ := unstructured.NestedStringSlice(acl, "operations")
				if slices.Contains(operations, "Write") {
					written[name] = true
				}
			}
		}
		for _, topic := range needed {
			if !written[topic] {
				t.Errorf("%s: nobody may write %s", profile, topic)
			}
		}
		brokers := int64(0)
		for _, pool := range ofKind(c.all, "KafkaNodePool") {
			roles, _, _ := unstructured.NestedStringSlice(pool.Object, "spec", "roles")
			replicas, _, _ := unstructured.NestedInt64(pool.Object, "spec", "replicas")
			if slices.Contains(roles, "broker") {
				brokers += replicas
			}
		}
		for _, topic := range topics {
			replicas, _, _ := unstructured.NestedInt64(topic.Object, "spec", "replicas")
			least, _, _ := unstructured.NestedInt64(topic.Object, "spec", "config", "min.insync.replicas")
			if replicas > brokers || replicas > 1 && least != replicas-1 {
				t.Errorf("%s: %s has %d replicas on %d brokers, %d of them in sync", profile, topic.GetName(), replicas, brokers, least)
			}
		}
	}
}

// What kind maps to the laptop are the node ports, one to one, and nobody else can reach them.
func TestNodePortsAreMapped(t *testing.T) {
	mapped := map[int64]bool{}
	for _, node := range list(objects(t, read(t, "deploy/kind/cluster.yaml"))[0].Object, "nodes") {
		for _, mapping := range list(node, "extraPortMappings") {
			port := mapping["hostPort"].(int64)
			if mapping["containerPort"] != port || mapping["listenAddress"] != "127.0.0.1" {
				t.Errorf("%v: the two ports must be equal, and the address 127.0.0.1", mapping)
			}
			mapped[port] = true
		}
	}
	for _, profile := range []string{"local", "scale"} {
		c := clusters(t)[profile]
		ports := map[string]any{}
		for _, listener := range list(c.kafka.Object, "spec", "kafka", "listeners") {
			if listener["type"] != "nodeport" {
				continue
			}
			if host := at(listener, "configuration", "advertisedHostTemplate"); host != "127.0.0.1" {
				t.Errorf("%s: the listener %v advertises %v", profile, listener["name"], host)
			}
			ports["bootstrap"] = at(listener, "configuration", "bootstrap", "nodePort")
			for _, broker := range list(listener, "configuration", "brokers") {
				ports[fmt.Sprint("broker ", broker["broker"])] = broker["nodePort"]
			}
		}
		given := releaseValues(t, c.release)
		for role, other := range map[string]string{"producer": "board-url", "consumer": "producer-url"} {
			port := at(given, role, "service", "nodePort")
			ports[role] = port
			partner := map[string]string{"producer": "consumer", "consumer": "producer"}[role]
			want := fmt.Sprintf("http://127.0.0.1:%v/", at(given, partner, "service", "nodePort"))
			if url := at(given, role, "settings", other); url != want {
				t.Errorf("%s: %s.settings.%s is %v, and the page is at %s", profile, role, other, url, want)
			}
		}
		if len(ports) < 4 {
			t.Errorf("%s: node ports are missing: %v", profile, ports)
		}
		for who, port := range ports {
			if port, ok := port.(int64); !ok || !mapped[port] {
				t.Errorf("%s: kind maps no port to %s, %v", profile, who, port)
			}
		}
	}
}

// One version, in all places that say it.
func TestVersionsAgree(t *testing.T) {
	first := func(path, pattern string) string {
		t.Helper()
		found := regexp.MustCompile(pattern).FindStringSubmatch(read(t, path))
		if found == nil {
			t.Fatalf("%s: nothing matches %s", path, pattern)
		}
		return found[1]
	}
	agree := func(want string, others map[string]string) {
		t.Helper()
		for where, other := range others {
			if other != want {
				t.Errorf("%s says %s, and not %s", where, other, want)
			}
		}
	}
	loaded := loadChart(t)
	local := trees(t)["local"].applied
	chartSource := only(t, objects(t, read(t, "deploy/kind/flux-system.yaml")), "OCIRepository", "erboh-chart")
	tag := func(o object) string {
		tag, _, _ := unstructured.NestedString(o.Object, "spec", "ref", "tag")
		return tag
	}
	image := releaseValues(t, only(t, local, "HelmRelease", "erboh"))["image"].(map[string]any)
	agree(first("Cargo.toml", `\nversion = "(.+)"`), map[string]string{
		"the chart's version":            loaded.Metadata.Version,
		"the chart's appVersion":         loaded.Metadata.AppVersion,
		"deploy/kind/flux-system.yaml":   tag(chartSource),
		"releases/erboh/base/image.yaml": image["tag"].(string),
	})
	agree(image["repository"].(string), map[string]string{
		"the chart's image.repository": at(loaded.Values, "image", "repository").(string),
	})
	agree(first("rust-toolchain.toml", `channel = "(.+)"`), map[string]string{
		"Dockerfile": first("Dockerfile", `ARG RUST=([0-9.]+)`),
		"ci.yaml":    first(".github/workflows/ci.yaml", `rust:([0-9.]+)-`),
	})
	agree(tag(only(t, local, "OCIRepository", "strimzi")), map[string]string{
		"tests/deploy/update/pom.xml": first("tests/deploy/update/pom.xml", `<strimzi.version>(.+)<`),
		"docs/kubernetes.md":          first("docs/kubernetes.md", `\| Strimzi \| ([0-9.]+) \|`),
	})
	agree(first("deploy/kind/cluster.yaml", `kindest/node:v([0-9.]+)@`), map[string]string{
		"tests/deploy/chart_test.go": strings.TrimPrefix(kubeVersion, "v"),
		"docs/kubernetes.md":         first("docs/kubernetes.md", `node image ([0-9.]+) `),
	})
	kafka := only(t, local, "Kafka", "kafka")
	version, _, _ := unstructured.NestedString(kafka.Object, "spec", "kafka", "version")
	agree(version, map[string]string{"docs/kubernetes.md": first("docs/kubernetes.md", `Apache Kafka \| ([0-9.]+),`)})
	for profile, c := range clusters(t) {
		agree(version, map[string]string{profile: at(c.kafka.Object, "spec", "kafka", "version").(string)})
	}
	// Of KEDA the definitions and the chart come apart in the last number only.
	keda := first("deploy/addons/keda/release/release.yaml", `version: ([0-9]+\.[0-9]+)\.`)
	agree(keda, map[string]string{
		"tests/deploy/update/main.go": first("tests/deploy/update/main.go", `keda/v2@v([0-9]+\.[0-9]+)\.`),
		"docs/kubernetes.md":          first("docs/kubernetes.md", `KEDA \(opt in\) \| ([0-9]+\.[0-9]+)`),
	})
}
