// What the replies of tcpeek mean for the page: which service stands where, what is doubtful, rows of the
// history by time. Pure functions; no document.
import { count, duration, endpoint } from './format.js';

const RANKS = ['failing', 'never_succeeded', 'degraded', 'ok', 'unknown'];
const STATE_WORDS = {
  failing: 'failing',
  never_succeeded: 'never worked',
  degraded: 'degraded',
  ok: 'ok',
  unknown: 'no verdict yet',
};

// What nobody but the initiator brought about (aborted, half_open, probe) is no failure of a service.
const CAUSES = [
  ['refused', 'refused'],
  ['reset', 'reset'],
  ['no_answer', 'no answer'],
  ['no_ack', 'no ACK'],
  ['superseded', 'superseded'],
  ['unreachable', 'unreachable'],
];

export function failuresOf(service) {
  return CAUSES.reduce((sum, [cause]) => sum + (service.failure[cause] ?? 0), 0);
}

// [["refused", 12], ["no answer", 2]]: those there are, the most frequent first.
export function causesOf(service) {
  return CAUSES.map(([cause, word]) => [word, service.failure[cause] ?? 0])
    .filter(([, number]) => number > 0)
    .sort((a, b) => b[1] - a[1]);
}

// What those that are retrying have sent. There are sums alone: that each of several sent as many is known only where
// that is one repetition each.
export function repeatsOf(service) {
  const { retrying, retrying_dup_syn_segments: syns = 0, retrying_dup_synack_segments: synacks = 0 } = service;
  if (!retrying || syns + synacks === 0) return '';
  const one = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
  if (syns > 0 && synacks > 0) return `${one(syns, 'SYN')} and ${one(synacks, 'SYN/ACK')} repeated`;
  const sent = (retrying + syns + synacks) / retrying;
  const about = retrying === 1 || sent === 2 ? '' : 'about ';
  const each = `${about}${Number(sent.toFixed(1))} ${syns > 0 ? 'SYNs' : 'SYN/ACKs'}${retrying === 1 ? '' : ' each'}`;
  return `${syns > 0 ? 'no answer' : 'no ACK'} yet, ${each}`;
}

// tcpeek says how a service does while it captures; of a capture file the counts do.
export function stateOf(service) {
  if (service.state) return service.state.is;
  if (failuresOf(service) === 0) return service.success > 0 ? 'ok' : 'unknown';
  if (service.success === 0) return 'never_succeeded';
  return service.failing_since ? 'failing' : 'degraded';
}

export function stateWord(state) {
  return STATE_WORDS[state] ?? state;
}

// Since when it is in trouble; null if it is not.
export function troubledSince(service) {
  const state = stateOf(service);
  if (state === 'ok' || state === 'unknown') return null;
  return service.failing_since ?? service.state?.since ?? service.last_failure;
}

// Failing ones first, then the ones with the most failures of late, then the busiest.
export function inOrder(services) {
  const rank = (service) => RANKS.indexOf(stateOf(service));
  const late = (service) => service.recent?.failures ?? 0;
  return [...services].sort((a, b) =>
    rank(a) - rank(b) || late(b) - late(a) || failuresOf(b) - failuresOf(a) ||
    b.attempts - a.attempts || nameOf(a).localeCompare(nameOf(b)));
}

export function nameOf(service) {
  return `${service.direction} ${endpoint(service.responder)}`;
}

// The finding that is about this service, if there is one.
export function findingOf(service, explanation) {
  const isIt = (other) =>
    other.address === service.responder.address && other.port === service.responder.port;
  const findings = explanation?.findings ?? [];
  return findings.find(({ subject }) => subject.services.some(isIt)) ?? null;
}

// What makes figures uncertain, in sentences; empty if nothing does.
export function doubtsOf(stats, explanation) {
  const doubts = [];
  const { packets } = stats;
  if (packets.dropped > 0) {
    doubts.push(`${count(packets.dropped)} of ${count(packets.seen)} packets were lost before tcpeek could ` +
      'read them: counts are too low, and some "no answer" may be an answer that was not seen.');
  }
  const lost = stats.readers.reduce((sum, reader) => sum + reader.events_lost, 0);
  if (lost > 0) doubts.push(`${count(lost)} outcomes were counted but not shown one by one.`);
  for (const { name, state } of stats.interfaces) {
    // What a capture file has no name of was not watched.
    if (name !== '' && state !== 'up') doubts.push(`The interface ${name} is ${state.replace('_', ' ')}.`);
  }
  for (const doubt of explanation?.doubts ?? []) {
    if (packets.dropped === 0) doubts.push(doubt);
  }
  return doubts;
}

// "2 interfaces, 4 readers, 1,234 packets, none lost, for 3 h 5 min"
export function healthOf(stats) {
  const several = (number, word) => `${count(number)} ${word}${number === 1 ? '' : 's'}`;
  const { packets } = stats;
  const names = stats.interfaces.map(({ name }) => name).filter((name) => name !== '');
  const lost = packets.dropped === 0 ? 'none lost' : `${count(packets.dropped)} lost`;
  return [
    names.length > 0 && names.length < 4 ? names.join(', ') : several(stats.interfaces.length, 'interface'),
    several(stats.readers.length, 'reader'),
    `${several(packets.seen, 'packet')}, ${lost}`,
    duration(stats.uptime_seconds),
  ].join(' · ');
}

export function seriesKey({ kind, name }) {
  return `${kind} ${name ?? ''}`;
}

// Rows of a reply by series and time, as objects; what is known already and not older than `back` seconds stays.
export function mergeHistory(known, reply, part, back) {
  const merged = new Map();
  const newest = Date.parse(reply.time) / 1000;
  for (const { kind, name, rows } of reply[part]) {
    const key = seriesKey({ kind, name });
    const all = new Map((known.get(key) ?? []).map((row) => [row.unix_time, row]));
    for (const row of rows) {
      const named = Object.fromEntries(reply.columns.map((column, i) => [column, row[i]]));
      all.set(named.unix_time, named);
    }
    const kept = [...all.values()].filter((row) => row.unix_time >= newest - back);
    merged.set(key, kept.sort((a, b) => a.unix_time - b.unix_time));
  }
  return merged;
}

// What one row of the history has of failures by kind, each per second.
export function ratesOf(row) {
  const span = Math.max(row.span_seconds, 0.001);
  const per = (number) => number / span;
  return {
    time: new Date(row.unix_time * 1000),
    success: per(row.success),
    refused: per(row.refused),
    noAnswer: per(row.timed_out_no_answer + row.timed_out_no_ack + row.timed_out_superseded),
    unreachable: per(row.unreachable),
    aborted: per(row.aborted),
  };
}

// Columns of a heat map: the largest p99 of each of `columns` equal intervals from `begin` to `end` (Unix times);
// null where there was none.
export function heatOf(rows, begin, end, columns) {
  const cells = new Array(columns).fill(null);
  const width = (end - begin) / columns;
  for (const row of rows) {
    const column = Math.min(columns - 1, Math.floor((row.unix_time - begin) / width));
    if (row.p99_seconds === null || column < 0 || row.unix_time > end) continue;
    cells[column] = Math.max(cells[column] ?? 0, row.p99_seconds);
  }
  return cells;
}

// 0 for 100 µs and less, 1 for 10 s and more, by the logarithm: as human patience goes.
export function heatLevel(value) {
  return Math.min(1, Math.max(0, (Math.log10(value) + 4) / 5));
}
