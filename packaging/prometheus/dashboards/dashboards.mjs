// The dashboards: the fleet, a host, a service. `node dashboards.mjs CONFIG FOLDER`, where CONFIG is the mixin's
// _config as JSON. The fleet's reads what the mixin records, as a thousand hosts are too many to ask at once.
import { readFileSync, writeFileSync } from 'node:fs';
import { dashboard, graph, stat, table, PacketsPerSecond, PerSecond, Ratio, Seconds, Short } from './panels.mjs';

const [configFile, folder] = process.argv.slice(2);
const config = JSON.parse(readFileSync(configFile, 'utf8'));
const { window, tcpeekSelector } = config;
const hosts = config.hostLabels.join(', ');

const job = ['job', 'Job', `tcpeek_build_info{${tcpeekSelector}}`];
const instance = ['instance', 'Host', 'tcpeek_build_info{job=~"$job"}'];
const port = ['port', 'Port', 'tcpeek_service_handshakes_total{job=~"$job", instance=~"$instance"}'];

const rate = (metric, selector) => `rate(${metric}{${selector}}[$__rate_interval])`;
const failedRate = (metric, selector) => rate(`${metric}_failures_total`, `${selector}, reason!="aborted"`);
const ratio = (metric, selector, labels) => {
  const failed = `sum by (${labels}) (${failedRate(metric, selector)})`;
  return `${failed} / (sum by (${labels}) (${rate(`${metric}_successes_total`, selector)}) + ${failed} > 0)`;
};
const quantile = (q, selector, labels) =>
  `histogram_quantile(${q}, sum by (${labels}, le) (${rate('tcpeek_handshake_duration_seconds_bucket', selector)}))`;

const handshake = 'tcpeek_handshake';
const service = 'tcpeek_service_handshake';
const inJob = 'job=~"$job"';
const onHost = `${inJob}, instance=~"$instance"`;
const ofService = `${onHost}, port=~"$port"`;
const notOverlapping = 'filter=~"RX|TX"';
const ofFilters = 'Filters overlap: do not add them up.';

const fleet = dashboard(config, 'tcpeek-fleet', 'tcpeek / Fleet', 'Connections of all hosts', [job, instance], [
  stat(Short, 'Hosts', 'Hosts whose tcpeek answers.', [`count(up{${onHost}} == 1)`, 'hosts']),
  stat(PerSecond, 'Connections', 'Attempts to connect: incoming (RX) and outgoing (TX).',
    [`sum by (filter) (instance_filter:tcpeek_handshakes:rate${window}{${onHost}, ${notOverlapping}})`, '{{filter}}']),
  stat(Ratio, 'Failing', 'Failed of those that ended, without what the initiator aborted.',
    [`filter:tcpeek_handshake_failures:ratio_rate${window}{${inJob}, ${notOverlapping}}`, '{{filter}}']),
  stat(Short, 'Alerts', 'Alerts of tcpeek that are firing now.',
    ['count(ALERTS{alertname=~"Tcpeek.+", alertstate="firing"}) or vector(0)', 'alerts']),
  graph(PerSecond, 'Connections', `Attempts per second, all hosts together. ${ofFilters}`,
    [`sum by (filter) (filter:tcpeek_handshakes:rate${window}{${inJob}})`, '{{filter}}']),
  graph(PerSecond, 'Failures by reason', 'Failed attempts per second. Points are examples of who failed (--metrics-exemplars).',
    [`sum by (filter, reason) (${rate('tcpeek_handshake_failures_total', `${onHost}, ${notOverlapping}`)})`, '{{filter}} {{reason}}']),
  graph(Seconds, 'Time to connect', 'From the first SYN to the completing ACK, all hosts together; within a factor of two.',
    [`filter_quantile:tcpeek_handshake_duration_seconds:histogram_quantile{${inJob}, ${notOverlapping}}`, '{{filter}} {{quantile}}']),
  graph(Short, 'Services that fail', 'Hosts on which more than half of the connections to a port fail.',
    [`count by (port) (instance_service:tcpeek_service_handshake_failures:ratio_rate${window}{${onHost}, direction="rx"} > ${config.failingRatio}) or vector(0)`, '{{port}}']),
  table(Ratio, 'Worst services', 'By port, all hosts together: failed of those that ended.',
    [`topk(20, service:tcpeek_service_handshake_failures:ratio_rate${window}{${inJob}, direction="rx"})`, '{{port}}']),
  table(Ratio, 'Worst hosts', 'By host and port: failed of those that ended.',
    [`topk(20, instance_service:tcpeek_service_handshake_failures:ratio_rate${window}{${onHost}, direction="rx"})`, '{{instance}} {{port}}']),
  table(Ratio, 'Worst destinations', 'Remote services (--metrics-services-tx), all hosts together: failed of those that ended.',
    [`topk(20, service:tcpeek_service_handshake_failures:ratio_rate${window}{${inJob}, direction="tx"})`, '{{address}} {{port}}']),
  table(Ratio, 'Hosts that lose packets', 'Packets that were captured and not seen: figures of these hosts are too low.',
    [`topk(20, ${rate('tcpeek_capture_dropped_packets_total', onHost)} / (${rate('tcpeek_capture_packets_total', onHost)} > 0))`, '{{instance}} {{interface}}']),
]);

const host = dashboard(config, 'tcpeek-host', 'tcpeek / Host', 'Connections of chosen hosts', [job, instance], [
  stat(Short, 'Version', 'Version of tcpeek.', [`count by (version) (tcpeek_build_info{${onHost}})`, '{{version}}']),
  stat(Seconds, 'Running', 'Since counting began.',
    [`time() - max by (instance) (process_start_time_seconds{${onHost}})`, '{{instance}}']),
  stat(PacketsPerSecond, 'Packets', 'Packets that passed the kernel filter.',
    [`sum by (instance, interface) (${rate('tcpeek_capture_packets_total', onHost)})`, '{{instance}} {{interface}}']),
  stat(PacketsPerSecond, 'Lost', 'Packets for which there was no room.',
    [`sum by (instance, interface) (${rate('tcpeek_capture_dropped_packets_total', onHost)})`, '{{instance}} {{interface}}']),
  graph(PerSecond, 'Connections', `Attempts per second. ${ofFilters}`,
    [`sum by (instance, filter) (${rate('tcpeek_handshakes_total', onHost)})`, '{{instance}} {{filter}}']),
  graph(PerSecond, 'Failures by cause', `Failed attempts per second. ${ofFilters}`,
    [`sum by (instance, filter, cause) (${rate('tcpeek_handshake_failure_causes_total', onHost)})`, '{{instance}} {{filter}} {{cause}}']),
  graph(Ratio, 'Failing', 'Failed of those that ended, without what the initiator aborted.',
    [ratio(handshake, onHost, 'instance, filter'), '{{instance}} {{filter}}']),
  graph(PerSecond, 'Failures by reason', 'Failed attempts per second. Points are examples of who failed (--metrics-exemplars).',
    [`sum by (instance, filter, reason) (${rate('tcpeek_handshake_failures_total', onHost)})`, '{{instance}} {{filter}} {{reason}}']),
  graph(Seconds, 'Time to connect', 'From the first SYN to the completing ACK; within a factor of two.',
    [quantile(0.5, onHost, 'instance, filter'), '{{instance}} {{filter}} p50'],
    [quantile(0.99, onHost, 'instance, filter'), '{{instance}} {{filter}} p99']),
  graph(Seconds, 'Legs', 'Mean time to the responder and back, and to the initiator and back.',
    [`sum by (instance, filter, leg) (${rate('tcpeek_handshake_leg_duration_seconds_sum', onHost)}) / (sum by (instance, filter, leg) (${rate('tcpeek_handshake_leg_duration_seconds_count', onHost)}) > 0)`, '{{instance}} {{filter}} {{leg}}']),
  graph(Short, 'Waiting', 'Attempts without an outcome, and of these, those that had to repeat a SYN or SYN/ACK.',
    [`tcpeek_handshakes_pending{${onHost}, ${notOverlapping}}`, '{{instance}} {{filter}} pending'],
    [`tcpeek_handshakes_retrying{${onHost}, ${notOverlapping}}`, '{{instance}} {{filter}} retrying']),
  graph(PerSecond, 'Repeated segments', `SYN and SYN/ACK segments sent again, of attempts that ended. ${ofFilters}`,
    [`sum by (instance, filter, segment) (${rate('tcpeek_handshake_retransmits_total', onHost)})`, '{{instance}} {{filter}} {{segment}}'],
    [`sum by (instance, filter) (${rate('tcpeek_handshake_late_synacks_total', onHost)})`, '{{instance}} {{filter}} late synack']),
  table(Short, 'State of services', 'Local ports, as tcpeek judges them; of a port with several addresses the worst.',
    [`tcpeek_service_health{${onHost}, direction="rx"} == 1`, '{{instance}} {{port}} {{state}}']),
  graph(Short, 'Full accept queues', '1 while the kernel confirms that a port drops SYNs for want of room, or SYNs make it suspected.',
    [`max by (instance, port, state) (tcpeek_accept_queue_state{${onHost}, state=~"confirmed|suspected"})`, '{{instance}} {{port}} {{state}}']),
  graph(PerSecond, 'Drops at listeners', 'Connections that the kernel dropped at full accept queues, and SYNs at full SYN queues, of the host.',
    [`sum by (instance) (${rate('tcpeek_listen_overflows_total', onHost)})`, '{{instance}} accept queue'],
    [`sum by (instance) (${rate('tcpeek_syn_queue_drops_total', onHost)})`, '{{instance}} SYN queue']),
  table(Short, 'State of filters', 'As tcpeek judges them.', [`tcpeek_filter_health{${onHost}} == 1`, '{{filter}}']),
  table(Ratio, 'Services', 'Local ports: failed of those that ended.',
    [ratio(service, `${onHost}, direction="rx"`, 'instance, port'), '{{instance}} {{port}}']),
  graph(PacketsPerSecond, 'Packets', 'What was captured, used, and ignored by reason.',
    [`sum by (instance) (${rate('tcpeek_capture_packets_total', onHost)})`, '{{instance}} captured'],
    [`sum by (instance) (${rate('tcpeek_packets_used_total', onHost)})`, '{{instance}} used'],
    [`sum by (instance, reason) (${rate('tcpeek_packets_ignored_total', onHost)})`, '{{instance}} {{reason}}']),
  graph(Ratio, 'Tables', 'How full the tables of attempts are, by reader.',
    [`(tcpeek_reader_pending{${onHost}} + tcpeek_reader_remembered{${onHost}}) / tcpeek_reader_capacity{${onHost}}`, '{{instance}} {{reader}}']),
  graph(PerSecond, 'Readers', 'Times a ring was full, and outcomes not shown, by reader.',
    [`sum by (instance, reader) (${rate('tcpeek_reader_ring_freezes_total', onHost)})`, '{{instance}} {{reader}} ring full'],
    [`sum by (instance, reader) (${rate('tcpeek_reader_events_lost_total', onHost)})`, '{{instance}} {{reader}} not shown']),
  graph(PerSecond, 'Requests', 'Requests on the socket and by HTTP.',
    [`sum by (instance, server) (${rate('tcpeek_server_requests_total', onHost)})`, '{{instance}} {{server}}']),
]);

const services = dashboard(config, 'tcpeek-service', 'tcpeek / Service', 'A port, on the hosts that serve it and to those it is asked of', [job, instance, port], [
  stat(PerSecond, 'Connections', 'Attempts to the port, incoming (rx) and outgoing (tx).',
    [`sum by (direction, port) (${rate('tcpeek_service_handshakes_total', ofService)})`, '{{direction}} {{port}}']),
  stat(Ratio, 'Failing', 'Failed of those that ended, without what the initiator aborted.',
    [ratio(service, ofService, 'direction, port'), '{{direction}} {{port}}']),
  stat(Short, 'Waiting', 'Attempts without an outcome yet.',
    [`sum by (direction, port) (tcpeek_service_handshakes_pending{${ofService}})`, '{{direction}} {{port}}']),
  stat(Short, 'Hosts', 'Hosts that have the service.',
    [`count by (direction, port) (count by (${hosts}, direction, port) (tcpeek_service_handshakes_total{${ofService}}))`, '{{direction}} {{port}}']),
  graph(PerSecond, 'Connections by host', 'Attempts per second.',
    [`sum by (instance, direction, port) (${rate('tcpeek_service_handshakes_total', ofService)})`, '{{instance}} {{direction}} {{port}}']),
  graph(PerSecond, 'Successes by host', 'Attempts per second that became connections.',
    [`sum by (instance, direction, port) (${rate('tcpeek_service_handshake_successes_total', ofService)})`, '{{instance}} {{direction}} {{port}}']),
  graph(PerSecond, 'Failures by reason', 'Failed attempts per second, all chosen hosts together.',
    [`sum by (direction, port, reason) (${rate('tcpeek_service_handshake_failures_total', ofService)})`, '{{direction}} {{port}} {{reason}}']),
  graph(Ratio, 'Failing by host', 'Failed of those that ended, without what the initiator aborted.',
    [ratio(service, ofService, 'instance, direction, port'), '{{instance}} {{direction}} {{port}}']),
  graph(PerSecond, 'Repeated segments', 'SYN and SYN/ACK segments sent again: lost ones, or a full accept queue.',
    [`sum by (instance, direction, port, segment) (${rate('tcpeek_service_handshake_retransmits_total', ofService)})`, '{{instance}} {{direction}} {{port}} {{segment}}']),
  graph(Short, 'Waiting by host', 'Attempts without an outcome yet, and of these, those that had to repeat a SYN or SYN/ACK.',
    [`tcpeek_service_handshakes_pending{${ofService}}`, '{{instance}} {{direction}} {{port}} pending'],
    [`tcpeek_service_handshakes_retrying{${ofService}}`, '{{instance}} {{direction}} {{port}} retrying']),
  table(Seconds, 'State', 'As tcpeek judges it, and for how long.',
    [`(time() - tcpeek_service_health_changed_timestamp_seconds{${ofService}}) * on (instance, direction, address, port) group_right () (tcpeek_service_health{${ofService}} == 1)`, '{{instance}} {{direction}} {{port}} {{state}}']),
  graph(Short, 'Unanswered', 'Attempts that a port with signs of a full accept queue left without an answer.',
    [`tcpeek_accept_queue_unanswered{${ofService}}`, '{{instance}} {{port}}']),
  table(Ratio, 'Destinations', 'Remote addresses of the port (--metrics-services-tx): failed of those that ended.',
    [ratio(service, `${ofService}, direction="tx"`, 'address, port'), '{{address}} {{port}}']),
  table(PerSecond, 'Given up', 'Attempts per second without an outcome, for want of room.',
    [`sum by (instance, port) (${rate('tcpeek_service_handshakes_evicted_total', ofService)})`, '{{instance}} {{port}}']),
]);

for (const [name, made] of Object.entries({ fleet, host, service: services })) {
  writeFileSync(`${folder}/tcpeek-${name}.json`, `${JSON.stringify(made, null, 2)}\n`);
}
