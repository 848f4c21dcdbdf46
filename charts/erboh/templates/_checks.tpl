{{/*
Checks that the schema cannot express: conflicts between values. Takes the same dict as the other templates.
*/}}
{{- define "erboh.check" -}}
{{- $settings := include "erboh.settings" . | fromYaml }}
{{- $role := .component }}
{{- $values := .values }}

{{- if not $settings.brokers }}
{{- fail "settings.brokers is missing: set the bootstrap addresses of the Kafka cluster, with Strimzi for example\n\n  settings:\n    brokers: kafka-kafka-bootstrap.queuing.svc:9093\n" }}
{{- end }}

{{- if eq $role "producer" }}
{{- $tokens := index $settings "token-file" }}
{{- $anyone := index $settings "anyone-may-write" }}
{{- if and $tokens $anyone }}
{{- fail "producer: tokens and settings.anyone-may-write are both set: set only one of them" }}
{{- end }}
{{- if not (or $tokens $anyone) }}
{{- fail (printf "producer: authentication of writers is not configured. Either create tokens:\n\n  kubectl -n %s create secret generic erboh-tokens --from-literal=tokens=\"alice:$(openssl rand -hex 32)\"\n\n  producer:\n    tokens:\n      existingSecret: erboh-tokens\n\nor allow writes without authentication:\n\n  producer:\n    settings:\n      anyone-may-write: true\n" .root.Release.Namespace) }}
{{- end }}
{{- end }}

{{- with .root.Values.kafka.ca }}
{{- if and .pem .existingSecret }}
{{- fail "kafka.ca: pem and existingSecret are both set: set only one of them" }}
{{- end }}
{{- end }}
{{- with .values.user }}
{{- if and .password .existingSecret }}
{{- fail (printf "%s.user: password and existingSecret are both set: set only one of them" $role) }}
{{- end }}
{{- end }}
{{- $password := or (index $settings "kafka-password-file") (contains "sasl." (toJson (pick $settings "kafka-property" "kafka-property-file"))) }}
{{- if and (index $settings "kafka-username") (not $password) }}
{{- fail (printf "%s.user.name is set without a password: set %s.user.existingSecret or %s.user.password" $role $role $role) }}
{{- end }}
{{- if and (or .values.user.password .values.user.existingSecret) (not (index $settings "kafka-username")) }}
{{- fail (printf "%s.user has a password but no name: set %s.user.name" $role $role) }}
{{- end }}

{{- with .values.service }}
{{- if and .nodePort (eq .type "ClusterIP") }}
{{- fail (printf "%s.service.nodePort is set, but a ClusterIP Service has no node port: set %s.service.type to NodePort or LoadBalancer" $role $role) }}
{{- end }}
{{- end }}

{{- with .values.autoscaling }}
{{- if and (ne .kind "none") (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "%s.autoscaling: minReplicas %d is more than maxReplicas %d" $role (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if and (eq .kind "hpa") (not (dig "requests" "cpu" "" $values.resources)) }}
{{- fail (printf "%s.autoscaling.kind is hpa, which scales by the share of the CPU request: set %s.resources.requests.cpu" $role $role) }}
{{- end }}
{{- end }}

{{- if and (index $settings "instance-id") (include "erboh.several" .) }}
{{- fail (printf "%s.settings.instance-id: every pod would have the same group.instance.id, and Kafka fences all but the newest. Remove it, or run one replica" $role) }}
{{- end }}

{{- /* See the comment on terminationGracePeriodSeconds in values.yaml. */}}
{{- $stopping := add 9 (divf (index $settings "stop-wait-ms" | default 0) 1000 | ceil | int) }}
{{- if gt $stopping (int .values.terminationGracePeriodSeconds) }}
{{- fail (printf "%s.terminationGracePeriodSeconds is %d, but with this stop-wait-ms stopping can take %d s: the pod would be killed before it has stopped" $role (int .values.terminationGracePeriodSeconds) $stopping) }}
{{- end }}
{{- end }}
