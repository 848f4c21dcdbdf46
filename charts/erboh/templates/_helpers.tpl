{{/*
Every template below except the first takes a dict for one component:
  root       the chart's own scope ($)
  component  producer, consumer, test, or "" for objects of the whole release
  values     .Values.producer or .Values.consumer
*/}}

{{/* The prefix of all names. Truncated so that "-consumer" fits into the 63 characters of a label. */}}
{{- define "erboh.fullname" -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
{{- .Values.fullnameOverride | default $both | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "erboh.name" -}}
{{- printf "%s-%s" (include "erboh.fullname" .root) .component | trimSuffix "-" }}
{{- end }}

{{- define "erboh.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "erboh.labels" -}}
{{ include "erboh.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "erboh.image" -}}
{{- with .root.Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (.tag | default $.root.Chart.AppVersion) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "erboh.serviceAccountName" -}}
{{- with .root.Values.serviceAccount }}
{{- .name | default (ternary (include "erboh.fullname" $.root) "default" .create) }}
{{- end }}
{{- end }}

{{/* The port of a setting such as 0.0.0.0:3000. */}}
{{- define "erboh.port" -}}
{{- regexFind "[0-9]+$" . }}
{{- end }}

{{/* The Secret for credentials that are given as values. */}}
{{- define "erboh.ownSecret" -}}
{{- printf "%s-kafka" (include "erboh.name" .) }}
{{- end }}

{{/*
The files that a role's pods get from Secrets, and the setting that each is for. Credentials given as values are in the
chart's own Secret, under the same key as in an existing one.
*/}}
{{- define "erboh.files" -}}
{{- $own := include "erboh.ownSecret" . }}
{{- with .root.Values.kafka.ca }}
{{- if or .pem .existingSecret }}
- {setting: kafka-ca-file, path: kafka-ca.crt, secret: {{ .existingSecret | default $own }}, key: {{ .key }}}
{{- end }}
{{- end }}
{{- with .values.user }}
{{- if or .password .existingSecret }}
- {setting: kafka-password-file, path: kafka-password, secret: {{ .existingSecret | default $own }}, key: {{ .key }}}
{{- end }}
{{- end }}
{{- with .values.clientCertificate }}
{{- if .existingSecret }}
- {setting: kafka-cert-file, path: kafka-client.crt, secret: {{ .existingSecret }}, key: {{ .certKey }}}
- {setting: kafka-key-file, path: kafka-client.key, secret: {{ .existingSecret }}, key: {{ .keyKey }}}
{{- end }}
{{- end }}
{{- with .values.tokens }}
{{- if .existingSecret }}
- {setting: token-file, path: tokens, secret: {{ .existingSecret }}, key: {{ .key }}}
{{- end }}
{{- end }}
{{- end }}

{{/*
The settings of one role, as YAML. Without `merge`, which treats `false` as a missing value.
*/}}
{{- define "erboh.settings" -}}
{{- $settings := dict }}
{{- range include "erboh.files" . | fromYamlArray }}
{{- $_ := set $settings .setting (printf "/etc/erboh/%s" .path) }}
{{- end }}
{{- with .values.user.name }}
{{- $_ := set $settings "kafka-username" . }}
{{- end }}
{{- range list .root.Values.settings .values.settings }}
{{- range $setting, $value := . }}
{{- $_ := set $settings $setting $value }}
{{- end }}
{{- end }}
{{- toYaml $settings }}
{{- end }}

{{/* The same as environment variables. The two repeatable settings hold one value per line. */}}
{{- define "erboh.env" -}}
{{- $plural := dict "kafka-property" "kafka-properties" "kafka-property-file" "kafka-property-files" }}
{{- range $setting, $value := include "erboh.settings" . | fromYaml }}
- name: ERBOH_{{ get $plural $setting | default $setting | replace "-" "_" | upper }}
  {{- if kindIs "slice" $value }}
  value: {{ join "\n" $value | quote }}
  {{- else if kindIs "string" $value }}
  value: {{ $value | quote }}
  {{- else }}
  value: {{ toJson $value | quote }} {{- /* toString would render 1000000 as 1e+06. */}}
  {{- end }}
{{- end }}
{{- end }}

{{/* The volume with the Secret files listed in .files. */}}
{{- define "erboh.secretVolume" -}}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range .files }}
      - secret:
          name: {{ .secret }}
          items:
            - key: {{ .key }}
              path: {{ .path }}
      {{- end }}
{{- end }}

{{/* The data of the chart's own Secret; empty if all credentials are in existing Secrets. */}}
{{- define "erboh.ownSecretData" -}}
{{- $data := dict }}
{{- with .root.Values.kafka.ca }}
{{- if .pem }}
{{- $_ := set $data .key .pem }}
{{- end }}
{{- end }}
{{- with .values.user }}
{{- if .password }}
{{- $_ := set $data .key .password }}
{{- end }}
{{- end }}
{{- with $data }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- define "erboh.dnsEgress" -}}
{{- with .root.Values.networkPolicy.dns }}
- ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* KEDA's Kafka credentials, from the same sources as the pods'; empty without SASL and without a CA. */}}
{{- define "erboh.kedaAuthentication" -}}
{{- if index (include "erboh.settings" . | fromYaml) "kafka-username" }}
# Read from the Deployment.
env:
  - parameter: username
    name: ERBOH_KAFKA_USERNAME
    containerName: erboh
{{- end }}
{{- with include "erboh.files" . | fromYamlArray }}
{{- $parameters := dict "kafka-ca-file" "ca" "kafka-password-file" "password" "kafka-cert-file" "cert" "kafka-key-file" "key" }}
secretTargetRef:
  {{- range . }}
  - parameter: {{ get $parameters .setting }}
    name: {{ .secret }}
    key: {{ .key }}
  {{- end }}
{{- end }}
{{- end }}

{{/* "true" if there are or may be several pods. */}}
{{- define "erboh.several" -}}
{{- if or (ne .values.autoscaling.kind "none") (gt (int .values.replicas) 1) }}true{{ end }}
{{- end }}
