// Rules and alerts of tcpeek as a monitoring mixin. The dashboards are made by ../dashboards out of the same
// _config; scripts/mixin makes everything.
(import 'config.libsonnet') + (import 'rules.libsonnet') + (import 'alerts.libsonnet')
