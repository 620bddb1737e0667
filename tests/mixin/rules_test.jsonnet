// For `promtool test rules`: each alert is silent while all is well, fires for a fault, clears after it, and is
// silent for what is nearly one. A fault lasts from minute 8 to minute 26.
local mixin = import '../../packaging/prometheus/mixin/mixin.libsonnet';

local rules = { [rule.alert]: rule for group in mixin.prometheusAlerts.groups for rule in group.rules };
local per_minute = 4;
local phases = [8, 18, 8];  // minutes: well, fault, well

// 0 by itself, as %g of jsonnet does not know it.
local number(value) = if value == 0 then '0' else '%g' % value;

// Samples of a gauge, and of a counter that grows by so much with each; well outside the fault.
local gauge(well, fault) = std.join(' ', [
  '%s+0x%d' % [well, phases[0] * per_minute - 1],
  '%s+0x%d' % [fault, phases[1] * per_minute - 1],
  '%s+0x%d' % [well, phases[2] * per_minute - 1],
]);
local absent = std.join(' ', [
  '1+0x%d' % (phases[0] * per_minute - 1),
  '_x%d' % (phases[1] * per_minute),
  '1+0x%d' % (phases[2] * per_minute - 1),
]);
local counter(well, fault) =
  local at_fault = well * phases[0] * per_minute;
  local after = at_fault + fault * phases[1] * per_minute;
  local part(first, step, minutes) = '%s+%sx%d' % [number(first), number(step), minutes * per_minute - 1];
  std.join(' ', [part(0, well, phases[0]), part(at_fault, fault, phases[1]), part(after, well, phases[2])]);

local host(number=1) = { job: 'tcpeek', instance: 'host-%d' % number };
local series(name, labels, values) = {
  series: '%s{%s}' % [name, std.join(',', ['%s="%s"' % [label, labels[label]] for label in std.objectFields(labels)])],
  values: values,
};

// A service whose attempts end so: [successes, refused, aborted] with each sample, well and in the fault.
local service(labels, fault, well=[10, 0, 0]) = [
  series('tcpeek_service_handshake_successes_total', labels, counter(well[0], fault[0])),
  series('tcpeek_service_handshake_failures_total', labels { reason: 'refused' }, counter(well[1], fault[1])),
  series('tcpeek_service_handshake_failures_total', labels { reason: 'aborted' }, counter(well[2], fault[2])),
];
local local_service(number=1) = host(number) { direction: 'rx', port: '443' };
local remote_service(number=1) = host(number) { direction: 'tx', address: '192.0.2.7', port: '5432' };

local at(minute, alert, expected) = { eval_time: '%ds' % (60 * minute), alertname: alert, exp_alerts: expected };
local groups(input, tests) = { interval: '15s', input_series: input, alert_rule_test: tests };

local told(alert, labels, description) = [{
  exp_labels: labels + rules[alert].labels,
  exp_annotations: rules[alert].annotations { description: description },
}];
// Which minutes: a quick alert is there within two.
local fires(alert, labels, description, input, by=25) = groups(input, [
  at(7, alert, []),
] + [
  at(minute, alert, told(alert, labels, description))
  for minute in std.set([by, 25])
] + [at(33, alert, [])]);
local quick = 10;
local silent(alert, input) = groups(input, [at(minute, alert, []) for minute in [7, 10, 25]]);

// In the fault, so many of a hundred take longer than a second: the next bucket has them, or the one after it.
local durations(fault_slow, bucket='2.097152') = [
  series('tcpeek_handshake_duration_seconds_bucket', host() { filter: 'web', le: '0.524288' }, counter(100, 100 - fault_slow)),
  series('tcpeek_handshake_duration_seconds_bucket',
         host() { filter: 'web', le: '1.048576' },
         counter(100, if bucket == '1.048576' then 100 else 100 - fault_slow)),
  series('tcpeek_handshake_duration_seconds_bucket', host() { filter: 'web', le: '2.097152' }, counter(100, 100)),
  series('tcpeek_handshake_duration_seconds_bucket', host() { filter: 'web', le: '+Inf' }, counter(100, 100)),
  series('tcpeek_handshake_duration_seconds_count', host() { filter: 'web' }, counter(100, 100)),
];
// A service that has ten attempts with each sample; in the fault so many of them succeed, or are refused. The others
// time out, and so many are pending.
local unanswered(labels, successes, pending, refused=0) = service(labels, [successes, refused, 0]) + [
  series('tcpeek_service_handshakes_total', labels, counter(10, 10)),
  series('tcpeek_service_handshake_failures_total', labels { reason: 'timed_out' }, counter(0, 10 - successes - refused)),
  series('tcpeek_service_handshakes_pending', labels, gauge(0, pending)),
];
// One attempt with each sample succeeds. With one sample come 100 others, which are pending for two minutes.
local unanswered_burst(labels) = [
  series('tcpeek_service_handshakes_total', labels, '0+1x32 133+1x102'),
  series('tcpeek_service_handshake_successes_total', labels, '0+1x135'),
  series('tcpeek_service_handshake_failures_total', labels { reason: 'refused' }, '0+0x135'),
  series('tcpeek_service_handshake_failures_total', labels { reason: 'timed_out' }, '0+0x41 100+0x93'),
  series('tcpeek_service_handshakes_pending', labels, '0+0x32 100+0x8 0+0x93'),
];
local repeated(labels, segments) = [
  series('tcpeek_service_handshakes_total', labels, counter(10, 10)),
  series('tcpeek_service_handshake_retransmits_total', labels { segment: 'syn' }, counter(0, segments)),
  series('tcpeek_service_handshake_retransmits_total', labels { segment: 'synack' }, counter(10, 10)),
];
local health(filter, state) = [
  series('tcpeek_filter_health', host() { filter: filter, state: 'ok' }, gauge(1, 0)),
  series('tcpeek_filter_health', host() { filter: filter, state: state }, gauge(0, 1)),
];
local service_health(state, refused=0) = [
  series('tcpeek_service_health', local_service() { state: 'ok' }, gauge(1, 0)),
  series('tcpeek_service_health', local_service() { state: state }, gauge(0, 1)),
  series('tcpeek_service_handshake_failures_total', local_service() { reason: 'refused' }, counter(0, refused)),
];
// An accept queue, by its states in the fault.
local queue(states) = [
  series('tcpeek_accept_queue_state', host() { port: '443', state: state }, gauge(0, if std.member(states, state) then 1 else 0))
  for state in ['confirmed', 'suspected', 'refuted']
];
// Full for a minute, once.
local full_once = [
  series('tcpeek_accept_queue_state', host() { port: '443', state: 'confirmed' }, '0+0x31 1+0x3 0+0x99'),
];
local dropped(packets) = [
  series('tcpeek_capture_packets_total', host() { interface: 'eth0' }, counter(1000, 1000)),
  series('tcpeek_capture_dropped_packets_total', host() { interface: 'eth0' }, counter(0, packets)),
];
// tcpeek-forward, and which of its connections is cut in the fault.
local forwarder = host() { job: 'tcpeek-forward' };
local forwarding(cut=null) = [
  series(name, forwarder, gauge(1, if name == cut then 0 else 1))
  for name in ['up', 'tcpeek_forward_connected', 'tcpeek_forward_watching']
];
local cut_off(name) =
  fires('TcpeekForwarderNotConnected',
        forwarder,
        'tcpeek-forward of host-1 forwards nothing: it cannot be scraped, or has no connection to a broker or to tcpeek.',
        forwarding(name),
        14);
local lost(values) = [series('tcpeek_forward_events_lost_total', forwarder, values)];
local value(record, labels, expected) = {
  expr: record,
  eval_time: '25m',
  exp_samples: [{ labels: std.split(record, '{')[0] + labels, value: expected }],
};

{
  rule_files: ['tcpeek_rules.yml', 'tcpeek_alerts.yml'],
  evaluation_interval: '30s',
  tests: [
    fires('TcpeekServiceFailing',
          local_service(),
          '100% of the connections to port 443 of host-1 fail.',
          service(local_service(), [0, 10, 0]),
          quick),
    silent('TcpeekServiceFailing', service(local_service(), [6, 4, 0])),
    silent('TcpeekServiceFailing', service(local_service(), [1, 0, 9])),
    silent('TcpeekServiceFailing', service(local_service(), [0, 1, 0], [1, 0, 0])),  // too few to say
    silent('TcpeekServiceFailing', service(remote_service(), [0, 10, 0])),

    fires('TcpeekServiceUnanswered',
          local_service(),
          '75% of the connections of the last minute to port 443, seen on host-1, have no outcome yet.',
          unanswered(local_service(), 2.5, 60),
          quick),
    fires('TcpeekServiceUnanswered',
          remote_service(),
          '75% of the connections of the last minute to port 5432 of 192.0.2.7, seen on host-1, have no outcome yet.',
          unanswered(remote_service(), 2.5, 60),
          quick),
    // Twice as many are pending as the last minute had; 90 seconds after the fault began.
    fires('TcpeekServiceUnanswered',
          local_service(),
          '100% of the connections of the last minute to port 443, seen on host-1, have no outcome yet.',
          unanswered(local_service(), 0, 82),
          9.5),
    silent('TcpeekServiceUnanswered', unanswered(local_service(), 7.5, 21)),  // more than half of a minute's attempts
    silent('TcpeekServiceUnanswered', unanswered(local_service(), 2, 21, 8)),  // refused at once
    silent('TcpeekServiceUnanswered', unanswered(local_service(), 0, 4)),
    silent('TcpeekServiceUnanswered', unanswered_burst(local_service())),

    fires('TcpeekServiceDegraded',
          local_service(),
          '10% of the connections to port 443 of host-1 fail.',
          service(local_service(), [9, 1, 0])),
    silent('TcpeekServiceDegraded', service(local_service(), [96, 4, 0])),

    fires('TcpeekServiceSynsRepeated',
          local_service(),
          '0.20 repeated SYNs for each connection to port 443, seen on host-1.',
          repeated(local_service(), 2)),
    fires('TcpeekServiceSynsRepeated',
          remote_service(),
          '0.20 repeated SYNs for each connection to port 5432 of 192.0.2.7, seen on host-1.',
          repeated(remote_service(), 2)),
    silent('TcpeekServiceSynsRepeated', repeated(local_service(), 0.9)),

    fires('TcpeekAcceptQueueFull',
          host() { port: '443' },
          'The accept queue of port 443 of host-1 is full, or was within the last minute, again and again.',
          queue(['confirmed']),
          11),
    fires('TcpeekAcceptQueueFull',
          host() { port: '443' },
          'The accept queue of port 443 of host-1 is full, or was within the last minute, again and again.',
          queue(['suspected']),
          11),
    silent('TcpeekAcceptQueueFull', queue(['refuted'])),
    silent('TcpeekAcceptQueueFull', full_once),

    fires('TcpeekQuietServiceFailing',
          local_service(),
          'Port 443 of host-1 is failing, as tcpeek judges it by the last attempts, and there are too few for a ratio.',
          service_health('failing')),
    silent('TcpeekQuietServiceFailing', service_health('failing', 1)),  // other alerts tell
    silent('TcpeekQuietServiceFailing', service_health('degraded')),
    silent('TcpeekQuietServiceFailing', service_health('never_succeeded')),

    fires('TcpeekFleetServiceFailing',
          { job: 'tcpeek', direction: 'rx', port: '443' },
          'Most connections to port 443 fail on 3 hosts.',
          std.flattenArrays([service(local_service(number), [0, 10, 0]) for number in std.range(1, 3)]),
          quick),
    silent('TcpeekFleetServiceFailing',
           std.flattenArrays([service(local_service(number), [0, 10, 0]) for number in std.range(1, 2)])),

    fires('TcpeekDestinationFailing',
          { job: 'tcpeek', direction: 'tx', address: '192.0.2.7', port: '5432' },
          '75% of the connections to 192.0.2.7 port 5432 fail, all hosts together.',
          service(remote_service(1), [0, 10, 0]) + service(remote_service(2), [5, 5, 0]),
          quick),
    silent('TcpeekDestinationFailing', service(remote_service(1), [0, 10, 0]) + service(remote_service(2), [20, 0, 0])),

    fires('TcpeekFilterFailing',
          host() { filter: 'web', state: 'failing' },
          'Filter web of host-1 is failing, as tcpeek judges it.',
          health('web', 'failing'),
          quick),
    silent('TcpeekFilterFailing', health('web', 'degraded')),
    silent('TcpeekFilterFailing', health('RX', 'failing')),

    fires('TcpeekHandshakesSlow',
          host() { filter: 'web' },
          '2% of the connections of filter web of host-1 take 0.524 seconds or more.',
          durations(2)),
    silent('TcpeekHandshakesSlow', durations(0.5)),
    fires('TcpeekHandshakesSlow',  // a repeated SYN, and some milliseconds
          host() { filter: 'web' },
          '5% of the connections of filter web of host-1 take 0.524 seconds or more.',
          durations(5, '1.048576')),
    silent('TcpeekHandshakesSlow', durations(0.5, '1.048576')),
    silent('TcpeekHandshakesSlow', durations(1, '1.048576')),  // no more than that

    fires('TcpeekDown',
          host(),
          'tcpeek of host-1 does not answer: nothing is known of its connections.',
          [series('up', host(), gauge(1, 0))],
          quick),
    silent('TcpeekDown', [series('up', host(), gauge(1, 1)), series('up', host() { job: 'node' }, gauge(1, 0))]),

    fires('TcpeekHostGone',
          host(),
          'Nothing has come from host-1 for some minutes, not even that its tcpeek is down.',
          [series('up', host(), absent)]),
    silent('TcpeekHostGone', [series('up', host(), gauge(1, 0))]),

    fires('TcpeekCaptureDropping',
          host() { interface: 'eth0' },
          '1% of the packets on eth0 of host-1 are not seen.',
          dropped(10)),
    silent('TcpeekCaptureDropping', dropped(0.9)),

    fires('TcpeekAttemptsEvicted',
          host() { filter: 'RX' },
          '2 attempts a second of RX of host-1 are given up without an outcome.',
          [series('tcpeek_handshakes_evicted_total', host() { filter: 'RX' }, counter(0, 30))]),
    silent('TcpeekAttemptsEvicted', [series('tcpeek_handshakes_evicted_total', host() { filter: 'web' }, counter(0, 30))]),

    fires('TcpeekInterfaceDown',
          host() { interface: 'eth0' },
          'Interface eth0 of host-1 is down or gone; tcpeek waits for it.',
          [series('tcpeek_capture_interface_up', host() { interface: 'eth0' }, gauge(1, 0))]),
    silent('TcpeekInterfaceDown', [series('tcpeek_capture_interface_up', host() { interface: 'eth0' }, gauge(1, 1))]),

    fires('TcpeekServicesNotListed',
          host(),
          '7 services of host-1 found no room among those listed.',
          [series('tcpeek_services_not_listed', host(), gauge(0, 7))]),
    silent('TcpeekServicesNotListed', [series('tcpeek_services_not_listed', host(), gauge(0, 0))]),

    fires('TcpeekOutcomesNotShown',
          host(),
          '2 outcomes or lines a second of host-1 are not shown to watchers and logs.',
          [series('tcpeek_reader_events_lost_total', host() { reader: '%d' % reader }, counter(0, 15)) for reader in [0, 1]]),
    fires('TcpeekOutcomesNotShown',
          host(),
          '1 outcomes or lines a second of host-1 are not shown to watchers and logs.',
          [series('tcpeek_output_lines_lost_total', host(), counter(0, 15))]),
    silent('TcpeekOutcomesNotShown', [series('tcpeek_output_lines_lost_total', host(), counter(0, 0))]),

    cut_off('up'),
    cut_off('tcpeek_forward_connected'),
    cut_off('tcpeek_forward_watching'),
    silent('TcpeekForwarderNotConnected', forwarding() + [series('up', host(), gauge(1, 0))]),
    silent('TcpeekForwarderNotConnected', [series('tcpeek_forward_connected', forwarder, '1+0x31 0+0x7 1+0x95')]),  // for two minutes

    fires('TcpeekForwarderLosesEvents',
          forwarder,
          'tcpeek-forward of host-1 has lost 1.02k events since it started, the last of them within 5m.',
          lost(counter(0, 15))),
    // Lost while it could not be scraped, from minute 8 to minute 17.
    groups(lost('3+0x31 _x36 7+0x67'), [
      at(minute, 'TcpeekForwarderLosesEvents', [])
      for minute in [7, 10, 16, 23]
    ] + [
      at(19, 'TcpeekForwarderLosesEvents', told(
        'TcpeekForwarderLosesEvents',
        forwarder,
        'tcpeek-forward of host-1 has lost 7 events since it started, the last of them within 5m.'
      )),
    ]),
    silent('TcpeekForwarderLosesEvents', lost('7+0x31 _x36 7+0x67')),
    silent('TcpeekForwarderLosesEvents', lost(counter(0, 0))),

    // Ratios and quantiles of a fleet are those of all hosts together, not means of theirs.
    {
      interval: '15s',
      input_series: service(local_service(1), [30, 10, 5]) + service(local_service(2), [0, 0, 0], [0, 0, 0]) + durations(2),
      promql_expr_test: [
        value('service:tcpeek_service_handshake_failures:ratio_rate5m',
              '{direction="rx", job="tcpeek", port="443"}',
              0.25),
        value('instance_service:tcpeek_service_handshake_failures:ratio_rate1m',
              '{direction="rx", instance="host-1", job="tcpeek", port="443"}',
              0.25),
        value('filter_quantile:tcpeek_handshake_duration_seconds:histogram_quantile{quantile="0.99"}',
              '{filter="web", job="tcpeek", quantile="0.99"}',
              1.572864),
      ],
    },
  ],
}
