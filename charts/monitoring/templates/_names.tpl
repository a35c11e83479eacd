{{/* Names, labels, and what more than one template says. */}}

{{- define "monitoring.name" -}}
{{- if contains "monitoring" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}{{ printf "%s-monitoring" (.Release.Name | trunc 29 | trimSuffix "-") }}{{ end -}}
{{- end }}

{{- define "monitoring.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: ml-geometry
{{- end }}

{{- define "monitoring.mlflow.labels" -}}
app.kubernetes.io/name: mlflow
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Does MLflow need a volume? Only where neither database nor files are elsewhere. */}}
{{- define "monitoring.mlflow.volume" -}}
{{- if not (and .Values.mlflow.postgresql.host .Values.mlflow.s3.bucket) }}true{{ end -}}
{{- end }}

{{/* Without the password, which the client library reads from PGPASSWORD. */}}
{{- define "monitoring.mlflow.database" -}}
{{- with .Values.mlflow.postgresql -}}
postgresql+psycopg2://{{ .user }}@{{ .host }}:{{ .port }}/{{ .database }}
{{- end -}}
{{- end }}

{{- define "monitoring.test.pod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "monitoring.test.container" -}}
resources:
  requests:
    cpu: 10m
    memory: 32Mi
  limits:
    cpu: 200m
    memory: 64Mi
securityContext:
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  privileged: false
  readOnlyRootFilesystem: true
{{- end }}
