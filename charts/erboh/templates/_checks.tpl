{{/*
What the schema cannot say: values that do not fit together. Takes the same dict as the other templates.
*/}}
{{- define "erboh.check" -}}
{{- $settings := include "erboh.settings" . | fromYaml }}
{{- $role := .component }}
{{- $values := .values }}

{{- if not $settings.brokers }}
{{- fail "settings.brokers is missing: the addresses of the Kafka cluster, with Strimzi for example\n\n  settings:\n    brokers: kafka-kafka-bootstrap.queuing.svc:9093\n" }}
{{- end }}

{{- if eq $role "producer" }}
{{- $tokens := index $settings "token-file" }}
{{- $anyone := index $settings "anyone-may-write" }}
{{- if and $tokens $anyone }}
{{- fail "producer: tokens say who may write, and settings.anyone-may-write that everybody may: leave one of them out" }}
{{- end }}
{{- if not (or $tokens $anyone) }}
{{- fail (printf "producer: nothing says who may write ratings. Either make tokens for those who may:\n\n  kubectl -n %s create secret generic erboh-tokens --from-literal=tokens=\"alice:$(openssl rand -hex 32)\"\n\n  producer:\n    tokens:\n      existingSecret: erboh-tokens\n\nor let whoever reaches the producer write:\n\n  producer:\n    settings:\n      anyone-may-write: true\n" .root.Release.Namespace) }}
{{- end }}
{{- end }}

{{- with .root.Values.kafka.ca }}
{{- if and .pem .existingSecret }}
{{- fail "kafka.ca: pem and existingSecret are two places for one certificate: leave one of them out" }}
{{- end }}
{{- end }}
{{- with .values.user }}
{{- if and .password .existingSecret }}
{{- fail (printf "%s.user: password and existingSecret are two places for one password: leave one of them out" $role) }}
{{- end }}
{{- end }}
{{- $password := or (index $settings "kafka-password-file") (contains "sasl." (toJson (pick $settings "kafka-property" "kafka-property-file"))) }}
{{- if and (index $settings "kafka-username") (not $password) }}
{{- fail (printf "%s.user.name is set, and no password: set %s.user.existingSecret, or %s.user.password from where it is kept" $role $role $role) }}
{{- end }}
{{- if and (or .values.user.password .values.user.existingSecret) (not (index $settings "kafka-username")) }}
{{- fail (printf "%s.user has a password and no name: set %s.user.name" $role $role) }}
{{- end }}

{{- with .values.service }}
{{- if and .nodePort (eq .type "ClusterIP") }}
{{- fail (printf "%s.service.nodePort is set, and the type ClusterIP has none: set %s.service.type to NodePort or LoadBalancer" $role $role) }}
{{- end }}
{{- end }}

{{- with .values.autoscaling }}
{{- if and (ne .kind "none") (gt (int .minReplicas) (int .maxReplicas)) }}
{{- fail (printf "%s.autoscaling: minReplicas %d is more than maxReplicas %d" $role (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if and (eq .kind "hpa") (not (dig "requests" "cpu" "" $values.resources)) }}
{{- fail (printf "%s.autoscaling.kind is hpa, which scales by the share of the requested processor time: set %s.resources.requests.cpu" $role $role) }}
{{- end }}
{{- end }}

{{- if and (index $settings "instance-id") (include "erboh.several" .) }}
{{- fail (printf "%s.settings.instance-id: every pod would have this name, and Kafka throws all out but the newest. Leave it out, or run one replica" $role) }}
{{- end }}

{{- /* See the comment at terminationGracePeriodSeconds in values.yaml. */}}
{{- $stopping := add 9 (divf (index $settings "stop-wait-ms" | default 0) 1000 | ceil | int) }}
{{- if gt $stopping (int .values.terminationGracePeriodSeconds) }}
{{- fail (printf "%s.terminationGracePeriodSeconds is %d, and with this stop-wait-ms stopping can take %d s: the pod would be killed while it finishes its work" $role (int .values.terminationGracePeriodSeconds) $stopping) }}
{{- end }}
{{- end }}
