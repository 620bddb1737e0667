// Live events: resumed, without repetition, and every hole is told.
import assert from 'node:assert/strict';
import test from 'node:test';

import { Feed, Newest, RETRY_MS } from '../../engine/web/feed.js';

function feed() {
  const seen = { from: [], events: [], gaps: [], states: [], later: [] };
  const sources = [];
  const its = new Feed({
    make: (from) => {
      seen.from.push(from);
      sources.push({ readyState: 1, close() { this.closed = true; } });
      return sources.at(-1);
    },
    later: (callback, ms) => seen.later.push([callback, ms]),
    onEvent: (event) => seen.events.push(event.seq),
    onGap: (number) => seen.gaps.push(number),
    onState: (state) => seen.states.push(state),
  });
  const say = (line) => sources.at(-1).onmessage({ data: JSON.stringify(line) });
  return { its, seen, sources, say };
}

test('an event that comes twice counts once', () => {
  const { seen, say } = feed();
  say({ boot: 'a', at: 4 });
  for (const seq of [5, 6, 6, 5, 7]) say({ event: 'outcome', boot: 'a', seq });
  assert.deepEqual(seen.events, [5, 6, 7]);
});

test('where the browser gives up, it begins behind the last event', () => {
  const { seen, sources, say } = feed();
  say({ event: 'outcome', boot: 'a', seq: 9 });
  sources[0].readyState = 0;
  sources[0].onerror();
  assert.equal(seen.later.length, 0, 'the browser tries again itself');
  sources[0].readyState = 2;
  sources[0].onerror();
  const [[again, pause]] = seen.later;
  assert.equal(pause, RETRY_MS);
  again();
  assert.deepEqual(seen.from, [null, 10]);
});

test('another boot begins anew', () => {
  const { seen, say } = feed();
  say({ event: 'outcome', boot: 'a', seq: 900 });
  say({ event: 'outcome', boot: 'b', seq: 1 });
  assert.deepEqual(seen.events, [900, 1]);
  assert.ok(seen.states.includes('restarted'));
});

test('gaps are told', () => {
  const { seen, say } = feed();
  say({ boot: 'a', at: 0 });
  say({ gap: { from: 1, to: 40 } });
  say({ event: 'gap', boot: 'a', seq: 41, count: 7 });
  assert.deepEqual(seen.gaps, [40, 7]);
});

test('closed, it does not connect again', () => {
  const { its, seen, sources } = feed();
  sources[0].readyState = 2;
  sources[0].onerror();
  its.close();
  seen.later[0][0]();
  assert.equal(seen.from.length, 1);
  assert.ok(sources[0].closed);
});

test('the newest are kept, the newest first', () => {
  const newest = new Newest(2);
  [1, 2, 3].forEach((item) => newest.add(item));
  assert.deepEqual([newest.items, newest.total], [[3, 2], 3]);
});
