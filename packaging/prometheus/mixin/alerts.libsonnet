// The alerts. docs/runbooks.md has a section for each.
{
  local c = $._config,
  local s = c.tcpeekSelector,
  local f = c.forwarderSelector,
  local q = $._queries,
  local w = c.window,
  local service = 'tcpeek_service_handshake',
  local hosts = std.join(', ', c.hostLabels),
  local quickRatio = 'instance_service:tcpeek_service_handshake_failures:ratio_rate' + c.alertWindow,

  // %g does not know 0.
  local number(value) = if value == 0 then '0' else '%g' % value,

  local alert(name, severity, wait, expr, summary, description) = {
    alert: 'Tcpeek' + name,
    expr: expr,
    'for': wait,
    labels: { severity: severity },
    annotations: {
      summary: summary,
      description: description,
      runbook_url: c.runbookURLPattern % std.asciiLower('tcpeek' + name),
    },
  },

  local failing(direction) =
    '%s{%s, direction="%s"} > %s\nand\n%s >= %s' %
    [quickRatio, s, direction, number(c.failingRatio), q.failed(service, s, c.alertWindow), number(c.minFailures)],

  prometheusAlerts+:: {
    groups+: [
      {
        name: 'tcpeek-services',
        rules: [
          alert(
            'ServiceFailing',
            'critical',
            c.quickFor,
            failing('rx'),
            'Most connections to a service of a host fail.',
            '{{ $value | humanizePercentage }} of the connections to port {{ $labels.port }} of {{ $labels.instance }} fail.'
          ),
          alert(
            'ServiceUnanswered',
            'critical',
            c.quickFor,
            // By the counters of the window: those that are pending now may have begun minutes ago.
            |||
              1 - (
                increase(tcpeek_service_handshake_successes_total{%(s)s}[%(window)s])
                +
                sum without (reason) (increase(tcpeek_service_handshake_failures_total{%(s)s, reason!="timed_out"}[%(window)s]))
              )
              /
              (increase(tcpeek_service_handshakes_total{%(s)s}[%(window)s]) > 0)
              > %(ratio)s
              and
              tcpeek_service_handshakes_pending{%(s)s} >= %(least)s
            ||| % { s: s, window: c.alertWindow, ratio: number(c.unansweredRatio), least: number(c.minFailures) },
            'Most connections to a service wait for an answer.',
            '{{ $value | humanizePercentage }} of the connections of the last minute to port {{ $labels.port }}' +
            '{{ with $labels.address }} of {{ . }}{{ end }}, seen on {{ $labels.instance }}, have no outcome yet.'
          ),
          alert(
            'ServiceDegraded',
            'warning',
            c.slowFor,
            'instance_service:tcpeek_service_handshake_failures:ratio_rate%s{%s, direction="rx"} > %s\nand\n%s >= %s' %
            [w, s, number(c.degradedRatio), q.failed(service, s, w), number(c.minFailures)],
            'Some connections to a service of a host fail.',
            '{{ $value | humanizePercentage }} of the connections to port {{ $labels.port }} of {{ $labels.instance }} fail.'
          ),
          alert(
            'ServiceSynsRepeated',
            'warning',
            c.slowFor,
            'instance_service:tcpeek_service_handshake_retransmits:ratio_rate%s{%s} > %s\nand\nsum without (segment) (increase(%s_retransmits_total{%s, segment="syn"}[%s])) >= %s' %
            [w, s, number(c.retransmitRatio), service, s, w, number(c.minFailures)],
            'SYNs to a service have to be repeated, so connections take a second or more.',
            '{{ printf "%.2f" $value }} repeated SYNs for each connection to port {{ $labels.port }}' +
            '{{ with $labels.address }} of {{ . }}{{ end }}, seen on {{ $labels.instance }}.'
          ),
          alert(
            'AcceptQueueFull',
            'warning',
            c.queueFor,
            'max without (state) (tcpeek_accept_queue_state{%s, state=~"confirmed|suspected"}) == 1' % s,
            'A service does not accept its connections fast enough, so SYNs are dropped.',
            'The accept queue of port {{ $labels.port }} of {{ $labels.instance }} is full, or was within the last minute, again and again.'
          ),
          alert(
            'QuietServiceFailing',
            'warning',
            c.slowFor,
            'max without (state) (tcpeek_service_health{%s, direction="rx", state="failing"}) == 1\nunless\n%s >= %s' %
            [s, q.failed(service, s + ', direction="rx"', c.window), number(c.minFailures)],
            'A service that is rarely used fails.',
            'Port {{ $labels.port }} of {{ $labels.instance }} is failing, as tcpeek judges it by the last attempts, and there are too few for a ratio.'
          ),
          alert(
            'FleetServiceFailing',
            'critical',
            c.quickFor,
            'count without (%s) (%s) >= %s' % [hosts, failing('rx'), number(c.fleetHosts)],
            'The same service fails on several hosts.',
            'Most connections to port {{ $labels.port }} fail on {{ $value }} hosts.'
          ),
          alert(
            'DestinationFailing',
            'critical',
            c.quickFor,
            |||
              %s
              > %s
              and
              sum without (%s) (%s) >= %s
            ||| % [
              q.fleetFailureRatio(service, s + ', direction="tx"', c.alertWindow),
              number(c.failingRatio),
              hosts,
              q.failed(service, s + ', direction="tx"', c.alertWindow),
              number(c.minFailures),
            ],
            'Most connections of the fleet to a remote service fail.',
            '{{ $value | humanizePercentage }} of the connections to {{ $labels.address }} port {{ $labels.port }} fail, all hosts together.'
          ),
        ],
      },
      {
        name: 'tcpeek-filters',
        rules: [
          alert(
            'FilterFailing',
            'warning',
            c.quickFor,
            'tcpeek_filter_health{%s, %s, state="failing"} == 1' % [s, c.filterSelector],
            'What a filter counts fails.',
            'Filter {{ $labels.filter }} of {{ $labels.instance }} is failing, as tcpeek judges it.'
          ),
          alert(
            'HandshakesSlow',
            'warning',
            c.slowFor,
            // Counted, not interpolated: a second lies within a bucket, with all connections that had to repeat a SYN.
            |||
              (
                rate(tcpeek_handshake_duration_seconds_count{%(s)s}[%(w)s])
                - ignoring (le)
                rate(tcpeek_handshake_duration_seconds_bucket{%(s)s, le="%(bound)s"}[%(w)s])
              )
              /
              (rate(tcpeek_handshake_duration_seconds_count{%(s)s}[%(w)s]) > 0)
              > %(ratio)s
              and
              increase(tcpeek_handshake_duration_seconds_count{%(s)s}[%(w)s]) >= 100
            ||| % { s: s, w: w, bound: c.slowBound, ratio: number(c.slowRatio) },
            'Some connections are slow to set up, mostly because a SYN or SYN/ACK was repeated.',
            '{{ $value | humanizePercentage }} of the connections of filter {{ $labels.filter }} of {{ $labels.instance }}' +
            ' take %g seconds or more.' % (std.floor(1000 * std.parseJson(c.slowBound)) / 1000)
          ),
        ],
      },
      {
        name: 'tcpeek-monitor',
        rules: [
          alert(
            'Down',
            'warning',
            c.downFor,
            'up{%s} == 0' % s,
            'tcpeek cannot be scraped.',
            'tcpeek of {{ $labels.instance }} does not answer: nothing is known of its connections.'
          ),
          alert(
            'HostGone',
            'warning',
            c.goneAfter,
            'present_over_time(up{%(s)s}[%(forgotten)s]) unless up{%(s)s}' % { s: s, forgotten: c.goneForgotten },
            'A host has stopped sending metrics.',
            'Nothing has come from {{ $labels.instance }} for some minutes, not even that its tcpeek is down.'
          ),
          alert(
            'CaptureDropping',
            'warning',
            c.slowFor,
            |||
              rate(tcpeek_capture_dropped_packets_total{%(s)s}[%(w)s])
              /
              (rate(tcpeek_capture_packets_total{%(s)s}[%(w)s]) > 0)
              > %(ratio)s
            ||| % { s: s, w: w, ratio: number(c.dropRatio) },
            'tcpeek loses packets, so its figures are too low and timeouts uncertain.',
            '{{ $value | humanizePercentage }} of the packets on {{ $labels.interface }} of {{ $labels.instance }} are not seen.'
          ),
          alert(
            'AttemptsEvicted',
            'warning',
            c.slowFor,
            'rate(tcpeek_handshakes_evicted_total{%s, filter=~"RX|TX"}[%s]) > 0' % [s, w],
            'The table of attempts is full.',
            '{{ $value | humanize }} attempts a second of {{ $labels.filter }} of {{ $labels.instance }} are given up without an outcome.'
          ),
          alert(
            'InterfaceDown',
            'warning',
            c.slowFor,
            'tcpeek_capture_interface_up{%s} == 0' % s,
            'An interface that is watched is down or gone.',
            'Interface {{ $labels.interface }} of {{ $labels.instance }} is down or gone; tcpeek waits for it.'
          ),
          alert(
            'ServicesNotListed',
            'info',
            '15m',
            'tcpeek_services_not_listed{%s} > 0' % s,
            'Some services of a host have no metrics.',
            '{{ $value }} services of {{ $labels.instance }} found no room among those listed.'
          ),
          alert(
            'OutcomesNotShown',
            'info',
            c.slowFor,
            'sum without (reader) (rate(tcpeek_reader_events_lost_total{%(s)s}[%(w)s])) > 0 or rate(tcpeek_output_lines_lost_total{%(s)s}[%(w)s]) > 0' %
            { s: s, w: w },
            'Outcomes are counted, but not all of them are shown.',
            '{{ $value | humanize }} outcomes or lines a second of {{ $labels.instance }} are not shown to watchers and logs.'
          ),
        ],
      },
      {
        name: 'tcpeek-forwarders',
        rules: [
          alert(
            'ForwarderNotConnected',
            'warning',
            c.forwarderFor,
            'up{%(f)s} == 0 or tcpeek_forward_connected{%(f)s} == 0 or tcpeek_forward_watching{%(f)s} == 0' % { f: f },
            'A forwarder is down, or has no connection to a broker or to tcpeek.',
            'tcpeek-forward of {{ $labels.instance }} forwards nothing: it cannot be scraped, or has no connection to a broker or to tcpeek.'
          ),
          alert(
            'ForwarderLosesEvents',
            'warning',
            c.quickFor,
            // More than before. Unlike increase(), it sees what was lost before the first sample after a restart.
            |||
              tcpeek_forward_events_lost_total{%(f)s} > 0
              unless
              tcpeek_forward_events_lost_total{%(f)s}
              ==
              last_over_time(tcpeek_forward_events_lost_total{%(f)s}[%(forgotten)s] offset %(w)s)
            ||| % { f: f, w: w, forgotten: c.goneForgotten },
            'A forwarder loses events.',
            'tcpeek-forward of {{ $labels.instance }} has lost {{ $value | humanize }} events since it started, the last of them within %s.' % w
          ),
        ],
      },
    ],
  },
}
