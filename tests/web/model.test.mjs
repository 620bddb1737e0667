// What replies mean: order, state, doubts, history.
import assert from 'node:assert/strict';
import test from 'node:test';

import {
  causesOf, doubtsOf, failuresOf, findingOf, heatLevel, heatOf, inOrder, mergeHistory, ratesOf, repeatsOf, stateOf,
  troubledSince,
} from '../../engine/web/model.js';

function service(port, more = {}) {
  return {
    responder: { address: '192.0.2.1', port }, direction: 'rx', attempts: 10, success: 10, pending: 0,
    failure: { refused: 0, reset: 0, no_answer: 0, no_ack: 0, superseded: 0, unreachable: 0, aborted: 0 },
    recent: { attempts: 0, failures: 0 }, state: null, failing_since: null, last_failure: null, ...more,
  };
}
const failing = (failures) => ({ ...service(1).failure, refused: failures });

test('failing services come first, then what fails most of late, then the busiest', () => {
  const rows = [
    service(1, { state: { is: 'ok' }, attempts: 5 }),
    service(2, { state: { is: 'degraded' } }),
    service(3, { state: { is: 'failing' }, recent: { failures: 1 } }),
    service(4, { state: { is: 'failing' }, recent: { failures: 9 } }),
    service(5, { state: { is: 'ok' }, attempts: 50 }),
    service(6, { state: { is: 'never_succeeded' } }),
  ];
  assert.deepEqual(inOrder(rows).map((row) => row.responder.port), [4, 3, 6, 2, 5, 1]);
});

test('of a capture file the counts say how a service does', () => {
  assert.equal(stateOf(service(1)), 'ok');
  assert.equal(stateOf(service(1, { success: 0 })), 'unknown');
  assert.equal(stateOf(service(1, { success: 0, failure: failing(3) })), 'never_succeeded');
  assert.equal(stateOf(service(1, { failure: failing(3) })), 'degraded');
  assert.equal(stateOf(service(1, { failure: failing(3), failing_since: 'x' })), 'failing');
});

test('since when, only where there is trouble', () => {
  assert.equal(troubledSince(service(1, { failing_since: 'x' })), null);
  assert.equal(troubledSince(service(1, { failure: failing(1), failing_since: 'x' })), 'x');
});

test('what the initiator did itself is no failure of the service', () => {
  const row = service(1, { failure: { ...failing(2), aborted: 7, no_answer: 5 } });
  assert.equal(failuresOf(row), 7);
  assert.deepEqual(causesOf(row), [['no answer', 5], ['refused', 2]]);
});

test('what those that wait have sent', () => {
  const told = (retrying, syns, synacks) => repeatsOf(service(1, {
    retrying, retrying_dup_syn_segments: syns, retrying_dup_synack_segments: synacks,
  }));
  assert.equal(told(0, 0, 0), '');
  assert.equal(told(1, 2, 0), 'no answer yet, 3 SYNs');
  assert.equal(told(4, 4, 0), 'no answer yet, 2 SYNs each');
  assert.equal(told(5, 7, 0), 'no answer yet, about 2.4 SYNs each');
  assert.equal(told(2, 4, 0), 'no answer yet, about 3 SYNs each');
  assert.equal(told(1, 0, 1), 'no ACK yet, 2 SYN/ACKs');
  assert.equal(told(3, 1, 4), '1 SYN and 4 SYN/ACKs repeated');
  assert.equal(repeatsOf(service(1, { retrying: 2 })), '', 'of an older tcpeek');
});

test('a finding is found by any of its services', () => {
  const finding = { subject: { services: [{ address: '192.0.2.1', port: 8 }, { address: '192.0.2.1', port: 9 }] } };
  assert.equal(findingOf(service(9), { findings: [finding] }), finding);
  assert.equal(findingOf(service(10), { findings: [finding] }), null);
  assert.equal(findingOf(service(9), undefined), null);
});

test('losses are told, and interfaces that are not up', () => {
  const stats = { packets: { dropped: 0, seen: 10 }, readers: [{ events_lost: 0 }], interfaces: [{ name: 'e', state: 'up' }] };
  assert.deepEqual(doubtsOf(stats, { doubts: [] }), []);
  const file = { ...stats, interfaces: [{ name: '', state: 'down' }] };
  assert.deepEqual(doubtsOf(file, { doubts: [] }), [], 'a capture file is no interface');
  const lossy = { packets: { dropped: 3, seen: 10 }, readers: [{ events_lost: 2 }], interfaces: [{ name: 'e', state: 'no_carrier' }] };
  const told = doubtsOf(lossy, { doubts: ['the same of losses'] });
  assert.match(told[0], /^3 of 10 packets were lost/);
  assert.match(told[1], /^2 outcomes/);
  assert.equal(told[2], 'The interface e is no carrier.');
  assert.equal(told.length, 3);
});

test('history is merged by time, once each, and forgotten when old', () => {
  const reply = (time, rows) => ({
    time, columns: ['unix_time', 'attempts'], seconds: [{ kind: 'totals', name: null, rows }],
  });
  const first = mergeHistory(new Map(), reply('1970-01-01T00:01:42Z', [[100, 1], [101, 2]]), 'seconds', 600);
  const second = mergeHistory(first, reply('1970-01-01T00:01:43Z', [[101, 2], [102, 3]]), 'seconds', 2);
  assert.deepEqual(second.get('totals ').map((row) => [row.unix_time, row.attempts]), [[101, 2], [102, 3]]);
});

test('rates are per second of the row', () => {
  const row = {
    unix_time: 5, span_seconds: 2, success: 8, refused: 2, timed_out_no_answer: 1, timed_out_no_ack: 2,
    timed_out_superseded: 1, unreachable: 0, aborted: 4,
  };
  const rates = ratesOf(row);
  assert.deepEqual([rates.success, rates.refused, rates.noAnswer, rates.aborted], [4, 1, 2, 2]);
});

test('the heat map has the worst of each interval', () => {
  const rows = [[0, 0.1], [9, 0.3], [10, null], [19, 0.2], [21, 9]].map(([unix_time, p99_seconds]) => ({ unix_time, p99_seconds }));
  assert.deepEqual(heatOf(rows, 0, 20, 2), [0.3, 0.2]);
  assert.deepEqual([1e-6, 1e-4, 10, 100].map(heatLevel), [0, 0, 1, 1]);
});
