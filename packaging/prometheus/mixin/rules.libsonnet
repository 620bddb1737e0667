// What is recorded: names are level:metric:operations. Ratios are those of attempts that ended, without
// what the initiator itself aborted, and are absent where nothing ended.
{
  local c = $._config,
  local s = c.tcpeekSelector,
  local hosts = std.join(', ', c.hostLabels),

  // The expressions, for the alerts as well.
  _queries+:: {
    local failures(metric, selector, window) =
      'sum without (reason) (rate(%s_failures_total{%s, reason!="aborted"}[%s]))' % [metric, selector, window],
    local ended(metric, selector, window) =
      '(rate(%s_successes_total{%s}[%s]) + %s)' % [metric, selector, window, failures(metric, selector, window)],
    failureRatio(metric, selector, window)::
      '%s\n/\n(%s > 0)' % [failures(metric, selector, window), ended(metric, selector, window)],
    // Of all hosts together.
    fleetFailureRatio(metric, selector, window)::
      'sum without (%s) (%s)\n/\n(sum without (%s) (%s) > 0)' %
      [hosts, failures(metric, selector, window), hosts, ended(metric, selector, window)],
    failed(metric, selector, window)::
      'sum without (reason) (increase(%s_failures_total{%s, reason!="aborted"}[%s]))' % [metric, selector, window],
    repeatRatio(metric, selector, segment, window)::
      'sum without (segment) (rate(%s_retransmits_total{%s, segment="%s"}[%s]))\n/\n(rate(%ss_total{%s}[%s]) > 0)' %
      [metric, selector, segment, window, metric, selector, window],
  },

  local q = $._queries,
  local w = c.window,
  local handshake = 'tcpeek_handshake',
  local service = 'tcpeek_service_handshake',
  local quantile(p) = {
    record: 'filter_quantile:tcpeek_handshake_duration_seconds:histogram_quantile',
    expr: 'histogram_quantile(%g, filter_le:tcpeek_handshake_duration_seconds_bucket:rate%s)' % [p, w],
    labels: { quantile: '%g' % p },
  },

  prometheusRules+:: {
    groups+: [
      {
        name: 'tcpeek-hosts.rules',
        rules: [
          {
            record: 'instance_filter:tcpeek_handshakes:rate' + w,
            expr: 'rate(tcpeek_handshakes_total{%s}[%s])' % [s, w],
          },
          {
            record: 'instance_filter:tcpeek_handshake_failures:ratio_rate' + w,
            expr: q.failureRatio(handshake, s, w),
          },
          {
            record: 'instance_service:tcpeek_service_handshakes:rate' + w,
            expr: 'rate(tcpeek_service_handshakes_total{%s}[%s])' % [s, w],
          },
          {
            record: 'instance_service:tcpeek_service_handshake_failures:ratio_rate' + w,
            expr: q.failureRatio(service, s, w),
          },
        ] + (if c.alertWindow == w then [] else [
               {
                 record: 'instance_service:tcpeek_service_handshake_failures:ratio_rate' + c.alertWindow,
                 expr: q.failureRatio(service, s, c.alertWindow),
               },
             ]) + [
          {
            record: 'instance_service:tcpeek_service_handshake_retransmits:ratio_rate' + w,
            expr: q.repeatRatio(service, s, 'syn', w),
          },
        ],
      },
      {
        name: 'tcpeek-fleet.rules',
        rules: [
          {
            record: 'filter:tcpeek_handshakes:rate' + w,
            expr: 'sum without (%s) (rate(tcpeek_handshakes_total{%s}[%s]))' % [hosts, s, w],
          },
          {
            record: 'filter:tcpeek_handshake_failures:ratio_rate' + w,
            expr: q.fleetFailureRatio(handshake, s, w),
          },
          {
            record: 'service:tcpeek_service_handshakes:rate' + w,
            expr: 'sum without (%s) (rate(tcpeek_service_handshakes_total{%s}[%s]))' % [hosts, s, w],
          },
          {
            record: 'service:tcpeek_service_handshake_failures:ratio_rate' + w,
            expr: q.fleetFailureRatio(service, s, w),
          },
          {
            record: 'filter_le:tcpeek_handshake_duration_seconds_bucket:rate' + w,
            expr: 'sum without (%s) (rate(tcpeek_handshake_duration_seconds_bucket{%s}[%s]))' % [hosts, s, w],
          },
          quantile(0.5),
          quantile(0.9),
          quantile(0.99),
        ],
      },
    ],
  },
}
