{{/* Where a role listens. */}}
{{- define "millrace.port" -}}
{{- get (dict "gateway" 7070 "discovery" 7072 "profiling" 7073 "catalog" 7074) . -}}
{{- end }}

{{/* mesh.toml, for every role. */}}
{{- define "millrace.settings" -}}
{{- $url := ternary "https" "http" (not (empty .Values.tls.secret)) -}}
{{- $mesh := .Values.tls.secret -}}
listen = "0.0.0.0:{{ include "millrace.port" "gateway" }}"
# For probes and Prometheus; the network policy says who reaches it.
admin_listen = "0.0.0.0:7071"
allow_plaintext = true
data_dir = "/var/lib/millrace/data"

[listeners]
{{- range list "discovery" "profiling" "catalog" }}
{{ . }} = "0.0.0.0:{{ include "millrace.port" . }}"
{{- end }}

[peers]
{{- range list "discovery" "profiling" "catalog" }}
{{ . }} = ["{{ $url }}://{{ include "millrace.fullname" $ }}-{{ . }}:{{ include "millrace.port" . }}"]
{{- end }}
{{- if $mesh }}

[tls]
certificate = "/etc/millrace-tls/tls.crt"
key = "/etc/millrace-tls/tls.key"
ca = "/etc/millrace-tls/ca.crt"
{{- end }}

[identity]
audience = {{ .Values.identity.audience | quote }}

[identity.trusted]
gateway = {{ required "identity.trusted: the public keys of gateways, which `millrace admin create-key` prints" .Values.identity.trusted | toJson }}

[logging]
format = {{ .Values.logging.format | quote }}
filter = {{ .Values.logging.filter | quote }}

[telemetry]
otlp_endpoint = {{ .Values.telemetry.otlpEndpoint | quote }}

[store]
url = {{ required "store.url: where PostgreSQL is" .Values.store.url | quote }}

[store.postgres]
user = {{ .Values.store.user | quote }}
tls = {{ .Values.store.tls | quote }}

[events]
url = {{ required "events.url: where NATS JetStream is" .Values.events.url | quote }}

[events.jetstream]
prefix = {{ .Values.events.prefix | quote }}
replicas = {{ .Values.events.replicas | int }}
monitors = {{ .Values.events.monitors | toJson }}

[objects]
url = {{ required "objects.url: where the bucket is" .Values.objects.url | quote }}

[objects.s3]
{{- if .Values.objects.accessKeyId }}
access_key_id = {{ .Values.objects.accessKeyId | quote }}
{{- else }}
ambient_credentials = true
{{- end }}
{{- with .Values.settings }}

{{ . }}
{{- end }}
{{- end }}

{{/* What differs from role to role, as variables of the environment. */}}
{{- define "millrace.env" -}}
- {name: TMPDIR, value: /var/lib/millrace}
{{- if eq .role "gateway" }}
- {name: MILLRACE__IDENTITY__KEYS__GATEWAY, value: /etc/millrace-keys/gateway.key}
- {name: MILLRACE__GATEWAY__HASH_KEY_FILE, value: /etc/millrace-keys/hash.key}
{{- if .root.Values.gateway.tlsSecret }}
- {name: MILLRACE__GATEWAY__TLS__CERTIFICATE, value: /etc/millrace-gateway-tls/tls.crt}
- {name: MILLRACE__GATEWAY__TLS__KEY, value: /etc/millrace-gateway-tls/tls.key}
{{- end }}
{{- else if .root.Values.folders.roots }}
- {name: MILLRACE__FOLDER_ROOTS, value: {{ .root.Values.folders.roots | toJson | quote }}}
{{- end }}
{{- end }}

{{/* Keys and certificates: whole folders, so that what is exchanged arrives in the running pod. */}}
{{- define "millrace.volumes" -}}
{{- if .root.Values.tls.secret }}
- {name: tls, secret: {secretName: {{ .root.Values.tls.secret }}, defaultMode: 0440}}
{{- end }}
{{- if eq .role "gateway" }}
- {name: keys, secret: {secretName: {{ required "identity.keysSecret: the secret with gateway.key and hash.key" .root.Values.identity.keysSecret }}, defaultMode: 0440}}
{{- if .root.Values.gateway.tlsSecret }}
- {name: gateway-tls, secret: {secretName: {{ .root.Values.gateway.tlsSecret }}, defaultMode: 0440}}
{{- end }}
{{- end }}
{{- end }}

{{- define "millrace.mounts" -}}
{{- if .root.Values.tls.secret }}
- {name: tls, mountPath: /etc/millrace-tls, readOnly: true}
{{- end }}
{{- if eq .role "gateway" }}
- {name: keys, mountPath: /etc/millrace-keys, readOnly: true}
{{- if .root.Values.gateway.tlsSecret }}
- {name: gateway-tls, mountPath: /etc/millrace-gateway-tls, readOnly: true}
{{- end }}
{{- end }}
{{- end }}
