{{/* The pod of one role: a dict of `root` and `role`. */}}
{{- define "millrace.pod" -}}
{{- $root := .root -}}
{{- $role := .role -}}
{{- $own := get $root.Values $role -}}
{{- $reads := and (ne $role "gateway") $root.Values.folders.roots -}}
metadata:
  labels:
    {{- include "millrace.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $role }}
    {{- with $root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # What is read at the start alone makes new pods when it changes.
    checksum/config: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
    checksum/secret: {{ include (print $root.Template.BasePath "/secret.yaml") $root | sha256sum }}
    {{- if $root.Values.scrapeAnnotations }}
    prometheus.io/scrape: "true"
    prometheus.io/port: "7071"
    prometheus.io/path: /metrics
    {{- end }}
    {{- with $root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "millrace.serviceAccountName" $root }}
  automountServiceAccountToken: false
  # Links to other services as variables would only be noise.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext: {{- toYaml $root.Values.podSecurityContext | nindent 4 }}
  {{- with $own.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.topologySpreadConstraints }}
  topologySpreadConstraints: {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: millrace
      image: {{ include "millrace.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: [serve, --roles, {{ $role }}, --config, /etc/millrace/mesh.toml]
      securityContext: {{- toYaml $root.Values.securityContext | nindent 8 }}
      env:
        {{- include "millrace.env" . | nindent 8 }}
        {{- with $root.Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      envFrom:
        - secretRef:
            name: {{ include "millrace.secretName" $root }}
      ports:
        - name: grpc
          containerPort: {{ include "millrace.port" $role }}
        - name: admin
          containerPort: 7071
      # The admin page is there while the process waits for what it needs; it tells what.
      livenessProbe:
        httpGet: {path: /healthz, port: admin}
        initialDelaySeconds: 10
        periodSeconds: 10
        timeoutSeconds: 3
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: admin}
        periodSeconds: 3
        timeoutSeconds: 3
        failureThreshold: 2
      resources: {{- toYaml $own.resources | nindent 8 }}
      volumeMounts:
        - {name: settings, mountPath: /etc/millrace, readOnly: true}
        - {name: data, mountPath: /var/lib/millrace}
        {{- include "millrace.mounts" . | nindent 8 }}
        {{- if $reads }}
        {{- with $root.Values.folders.mounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- end }}
  volumes:
    - name: settings
      configMap:
        name: {{ include "millrace.fullname" $root }}
    {{- if ne $role "catalog" }}
    - name: data
      emptyDir:
        sizeLimit: {{ $own.scratch | default "256Mi" }}
    {{- end }}
    {{- include "millrace.volumes" . | nindent 4 }}
    {{- if $reads }}
    {{- with $root.Values.folders.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- end }}
{{- end }}
