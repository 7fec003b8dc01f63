{{- define "tollgate.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{- define "tollgate.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tollgate.labels" -}}
{{ include "tollgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "tollgate.mayBeSeveral" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}yes{{ end }}
{{- end }}

{{- define "tollgate.check" -}}
{{- if and (include "tollgate.mayBeSeveral" .) (not .Values.store.url) }}
{{- fail "several replicas need PostgreSQL: set store.url, or replicaCount=1 without autoscaling" }}
{{- end }}
{{- if and .Values.store.url (not .Values.masterKey.existingSecret) }}
{{- fail "with PostgreSQL every replica needs the same master key: set masterKey.existingSecret" }}
{{- end }}
{{- end }}

{{/* One variable from a secret, where one is named: (list NAME {existingSecret, key}) */}}
{{- define "tollgate.fromSecret" -}}
{{- with index . 1 }}{{ if .existingSecret -}}
- name: {{ index $ 0 }}
  valueFrom: { secretKeyRef: { name: {{ .existingSecret | quote }}, key: {{ .key | quote }} } }
{{ end }}{{ end }}
{{- end }}
