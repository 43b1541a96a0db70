{{/*
The template of a pod: (dict "root" $ "part" "user-backend" "process" <of processes.yaml> "values" <its values>), and for
agents_worker the "group". Processes have probes; jobs have none.
*/}}
{{- define "engine.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- $process := .process -}}
{{- $settings := mergeOverwrite (deepCopy $root.Values.settings) (deepCopy (default dict $values.settings)) -}}
{{- $image := mergeOverwrite (deepCopy $root.Values.image) (deepCopy (default dict $values.image)) -}}
metadata:
  labels:
    {{- include "engine.selector" (dict "root" $root "part" .part "group" .group) | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ .serviceAccount }}
  automountServiceAccountToken: {{ .token }}
  # Kubernetes would set variables such as USER_BACKEND_PORT for a Service of the name user-backend, and these are settings.
  enableServiceLinks: false
  {{- if eq .part "agents-worker" }}
  # The pause container is then the init that reaps processes which agents leave behind.
  shareProcessNamespace: true
  {{- end }}
  {{- with $image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    {{- mergeOverwrite (deepCopy $root.Values.podSecurityContext) (deepCopy (default dict $values.podSecurityContext)) | toYaml | nindent 4 }}
  {{- if $process.healthPort }}
  # The process itself ends within 27 s of SIGTERM.
  terminationGracePeriodSeconds: {{ default (add 30 (default 0 $values.preStopSeconds)) $values.terminationGracePeriodSeconds | int }}
  {{- with $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- else }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "engine.selector" (dict "root" $root "part" .part "group" .group) | nindent 10 }}
  {{- end }}
  {{- else }}
  restartPolicy: Never
  {{- end }}
  {{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
  {{- with get $values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  containers:
    - name: {{ .part }}
      image: {{ printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) | quote }}
      imagePullPolicy: {{ $image.pullPolicy }}
      args:
        {{- toYaml $process.command | nindent 8 }}
      env:
        {{- include "engine.environment" (dict "process" $process "settings" $settings "values" $values) | trim | nindent 8 }}
      {{- if $process.healthPort }}
      ports:
        - { name: health, containerPort: {{ int (get $settings $process.healthPort) }} }
        {{- if $process.httpPort }}
        - { name: http, containerPort: {{ int (get $settings $process.httpPort) }} }
        {{- end }}
      # Modules are loaded before the port is listened on.
      startupProbe:
        httpGet: { path: /live, port: health }
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: 60
      # It answers as long as the process runs, whatever the servers do: a restart would not bring a server back.
      livenessProbe:
        httpGet: { path: /live, port: health }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: {{ $process.readyPath }}, port: health }
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      {{- with $values.preStopSeconds }}
      # Until every node knows that the pod is going, connections still come here.
      lifecycle:
        preStop:
          exec: { command: [sleep, {{ . | quote }}] }
      {{- end }}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- mergeOverwrite (deepCopy $root.Values.securityContext) (deepCopy (default dict $values.securityContext)) | toYaml | nindent 8 }}
      volumeMounts:
        - { name: temporary, mountPath: /tmp }
        {{- if eq .part "agents-worker" }}
        - { name: instances, mountPath: {{ $settings.RUNTIME_DIRECTORY | quote }} }
        {{- end }}
        {{- if or $root.Values.certificates.configMap $root.Values.certificates.secret }}
        - { name: certificates, mountPath: /etc/instance-engine/certificates, readOnly: true }
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - { name: temporary, emptyDir: {} }
    {{- if and (eq .part "agents-worker") (not $values.storage) }}
    - { name: instances, emptyDir: {} }
    {{- end }}
    {{- if or $root.Values.certificates.configMap $root.Values.certificates.secret }}
    - name: certificates
      projected:
        sources:
          {{- with $root.Values.certificates.configMap }}
          - configMap: { name: {{ . }} }
          {{- end }}
          {{- with $root.Values.certificates.secret }}
          - secret: { name: {{ . }} }
          {{- end }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Settings in the order of their names, the keys of the Secret, and what the values add. An empty setting counts as not set. */}}
{{- define "engine.environment" -}}
{{- $settings := .settings -}}
{{- $secret := .values.secret -}}
{{- range $name, $value := $settings }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
- name: {{ $name }}
  value: {{ if kindIs "string" $value }}{{ $value | quote }}{{ else }}{{ toJson $value | quote }}{{ end }}
{{- end }}
{{- end }}
{{- $required := .process.secrets.required }}
{{- range $name, $setting := .process.secrets.unlessSet }}
{{- if not (get $settings $setting) }}
{{- $required = append $required $name }}
{{- end }}
{{- end }}
{{- range $required }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ . }} } }
{{- end }}
{{- range .process.secrets.optional }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $secret }}, key: {{ . }}, optional: true } }
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
