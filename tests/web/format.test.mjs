// Figures and times as text.
import assert from 'node:assert/strict';
import test from 'node:test';

import { count, duration, endpoint, moment, rate, seconds, share } from '../../engine/web/format.js';

test('counts and rates', () => {
  assert.equal(count(1234567), '1,234,567');
  assert.deepEqual([0, -1, NaN, 0.25, 12.34, 1234].map(rate), ['0', '0', '0', '0.25', '12.3', '1,234']);
});

test('seconds, of the unit that fits', () => {
  assert.deepEqual([null, 0.00045, 0.0123, 1.2].map(seconds), ['–', '450 µs', '12.3 ms', '1.20 s']);
});

test('a share never says none or all where it is not', () => {
  assert.deepEqual([share(0, 0), share(0, 9), share(1, 1000), share(1, 2), share(999, 1000), share(9, 9)],
    ['–', '0 %', '<1 %', '50 %', '>99 %', '100 %']);
});

test('durations have two units', () => {
  assert.deepEqual([0, 42, 60, 185, 7620, 349200].map(duration),
    ['0 s', '42 s', '1 min', '3 min 5 s', '2 h 7 min', '4 d 1 h']);
});

test('a moment of another day has its date', () => {
  const now = new Date(2026, 4, 7, 12, 0, 0);
  assert.equal(moment(new Date(2026, 4, 7, 3, 4, 5), now), '03:04:05');
  assert.equal(moment(new Date(2026, 4, 6, 3, 4, 5), now), '2026-05-06 03:04:05');
});

test('IPv6 stands in brackets', () => {
  assert.equal(endpoint({ address: '192.0.2.1', port: 443 }), '192.0.2.1:443');
  assert.equal(endpoint({ address: '2001:db8::1', port: 443 }), '[2001:db8::1]:443');
});
