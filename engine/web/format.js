// Figures and times as text. Pure functions; no document.

// 1234567 -> "1,234,567"
export function count(value) {
  return Math.round(value).toLocaleString('en-US');
}

// Per second: "0", "0.25", "12.3", "1,234"
export function rate(value) {
  if (!Number.isFinite(value) || value <= 0) return '0';
  if (value < 1) return value.toFixed(2);
  return value < 100 ? value.toFixed(1) : count(value);
}

// Of seconds: "450 µs", "12.3 ms", "1.20 s"; "–" where there is none.
export function seconds(value) {
  if (value === null || value === undefined) return '–';
  if (value < 0.001) return `${Math.round(value * 1e6)} µs`;
  if (value < 1) return `${(value * 1e3).toPrecision(3)} ms`;
  return `${value.toPrecision(3)} s`;
}

// The share that `part` is of `whole`: "0 %", "<1 %", "50 %", ">99 %"; "–" of nothing.
export function share(part, whole) {
  if (whole === 0) return '–';
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 1) return '<1 %';
  if (percent > 99 && percent < 100) return '>99 %';
  return `${Math.round(percent)} %`;
}

const two = (number) => String(number).padStart(2, '0');

// Local time of day, "17:42:17".
export function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

// As the clock of `now` reads it: only the time on the same day, else the date, too.
export function moment(text, now) {
  const date = new Date(text);
  if (date.toDateString() === now.toDateString()) return clock(date);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(date)}`;
}

// A duration in seconds, in its two largest units: "42 s", "3 min 5 s", "2 h 7 min", "4 d 1 h".
export function duration(length) {
  const whole = Math.max(0, Math.round(length));
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = units.findIndex(([size]) => whole >= size);
  if (first < 0) return '0 s';
  const [size, name] = units[first];
  const text = `${Math.floor(whole / size)} ${name}`;
  if (first === units.length - 1) return text;
  const [nextSize, nextName] = units[first + 1];
  const rest = Math.floor((whole % size) / nextSize);
  return rest === 0 ? text : `${text} ${rest} ${nextName}`;
}

// "192.0.2.1:443", "[2001:db8::1]:443"
export function endpoint({ address, port }) {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
