// The page put together: asks a running tcpeek, or shows the report that lies in the page itself.
import { Charts } from './charts.js';
import { byId, setText } from './elements.js';
import { Feed, Newest } from './feed.js';
import { clock, count, rate } from './format.js';
import {
  doubtsOf, failuresOf, healthOf, inOrder, mergeHistory, nameOf, seriesKey, stateOf,
} from './model.js';
import {
  ServicesTable, setTitle, showDoubts, showExplanation, showFailures, showOptions,
} from './view.js';

const TEN_MINUTES = 600;
const DAY = 86400;
const POLL_MS = 2000;
const MOST_FAILURES = 100;
const MOST_SERVICES = 50;
const TOTALS = 'totals ';

class Page {
  constructor(report) {
    this.report = report;
    this.names = {};
    this.seconds = new Map();
    this.minutes = new Map();
    this.back = TEN_MINUTES;
    this.before = new Map();
    this.failures = new Newest(MOST_FAILURES);
    this.failuresDrawn = -1;
    this.missed = 0;
    this.services = new ServicesTable(byId('services'));
    this.charts = new Charts({ rates: byId('rates'), failures: byId('failed'), heat: byId('heat') });
    byId('series').addEventListener('change', () => this.draw());
    for (const button of document.querySelectorAll('[data-back]')) {
      button.addEventListener('click', () => this.look(Number(button.dataset.back)));
    }
    addEventListener('resize', () => this.draw());
  }

  // How far back the charts go.
  async look(back) {
    this.back = back;
    for (const button of document.querySelectorAll('[data-back]')) {
      button.setAttribute('aria-pressed', String(Number(button.dataset.back) === back));
    }
    if (back === DAY && !this.report) await this.ask('history?seconds=86400', (reply) => this.takeHistory(reply));
    this.draw();
  }

  takeHistory(reply) {
    this.seconds = mergeHistory(this.seconds, reply, 'seconds', TEN_MINUTES);
    this.minutes = mergeHistory(this.minutes, reply, 'minutes', DAY);
    this.series = reply.series;
    this.end = Date.parse(reply.time) / 1000;
  }

  draw() {
    const rows = this.back === DAY ? this.minutes : this.seconds;
    if (!this.series) return;
    const chosen = byId('series').value || TOTALS;
    const shown = rows.get(chosen) ?? [];
    const begin = this.begin(rows);
    this.charts.drawRates(shown, begin, this.end);
    this.charts.drawHeat(this.heatSeries(rows), begin, this.end);
  }

  // A report is of what its file holds.
  begin(rows) {
    const earliest = this.end - this.back;
    if (!this.report) return earliest;
    const first = rows.get(TOTALS)?.[0];
    return first ? Math.max(earliest, first.unix_time - first.span_seconds) : earliest;
  }

  heatSeries(rows) {
    return this.series
      .filter(({ kind }) => kind !== 'service')
      .map((series) => [series.name ?? 'everything', rows.get(seriesKey(series)) ?? []]);
  }

  showSeries() {
    const label = ({ kind, name }) => (kind === 'totals' ? 'everything' : `${kind} ${name}`);
    showOptions(byId('series'), this.series.map((series) => [seriesKey(series), label(series)]));
  }

  showStats(stats) {
    this.stats = stats;
    setText(byId('health'), healthOf(stats));
    setText(byId('version'), stats.version);
    const { totals } = stats;
    setText(byId('attempts'), count(totals.attempts));
    setText(byId('succeeded'), count(totals.success.total));
    setText(byId('failures'), count(totals.failure.total));
    setText(byId('pending'), `${count(totals.pending)} (${count(totals.retrying)} repeating)`);
    showDoubts(byId('doubts'), doubtsOf(stats, this.explanation));
  }

  showServices(top) {
    const now = new Date(top.time);
    const services = inOrder(top.rows);
    const failing = services.filter((service) => ['failing', 'never_succeeded'].includes(stateOf(service)));
    setText(byId('failing'), count(failing.length));
    this.services.show(services, {
      names: this.names, now, explanation: this.explanation, rates: this.report ? null : this.rates(top),
    });
    const most = services.length >= MOST_SERVICES;
    setText(byId('others'), most ? `the ${count(services.length)} that matter most` : '');
    byId('none').hidden = services.length > 0;
  }

  // Attempts per second of a service, since the reply before.
  rates(top) {
    const at = Date.parse(top.time) / 1000;
    const before = this.before;
    this.before = new Map(top.rows.map((row) => [nameOf(row), { at, attempts: row.attempts }]));
    return (service) => {
      const last = before.get(nameOf(service));
      return last && at > last.at ? Math.max(0, service.attempts - last.attempts) / (at - last.at) : 0;
    };
  }

  showFailures() {
    if (this.failuresDrawn === this.failures.total) return;
    this.failuresDrawn = this.failures.total;
    showFailures(byId('live').tBodies[0], this.failures.items, this.names);
    const missed = this.missed > 0 ? `, ${count(this.missed)} not shown` : '';
    setText(byId('told'), `${count(this.failures.total)} so far${missed}, the newest first`);
  }

  async ask(path, take) {
    try {
      const reply = await fetch(`/api/${path}`);
      if (!reply.ok) throw new Error((await reply.text()).slice(0, 200));
      take(await reply.json());
      return true;
    } catch (error) {
      setText(byId('state'), `no reply: ${error.message}`);
      return false;
    }
  }

  // One round of questions; the next one begins after it, so that a slow host is not asked faster.
  async poll() {
    const late = this.lastRound ? Math.ceil((Date.now() - this.lastRound) / 1000) + 3 : TEN_MINUTES;
    const answered = await Promise.all([
      this.ask('explain', (reply) => this.takeExplanation(reply)),
      this.ask('stats', (reply) => this.showStats(reply)),
      this.ask(`history?seconds=${Math.min(late, TEN_MINUTES)}`, (reply) => this.takeHistory(reply)),
    ]);
    answered.push(await this.ask(`top?n=${MOST_SERVICES}`, (reply) => this.showServices(reply)));
    if (answered.every(Boolean)) {
      this.lastRound = Date.now();
      setText(byId('state'), `updated ${clock(new Date())}`);
      this.showSeries();
      this.draw();
    }
    setTimeout(() => this.poll(), POLL_MS);
  }

  takeExplanation(explanation) {
    this.explanation = explanation;
    showExplanation(byId('explanation'), explanation, new Date(explanation.time));
  }

  watch() {
    const told = { live: 'live', interrupted: 'interrupted, trying again', restarted: 'tcpeek was restarted' };
    this.feed = new Feed({
      make: (from) => new EventSource(`/api/watch?result=failure${from === null ? '' : `&from=${from}`}`),
      later: setTimeout.bind(globalThis),
      onEvent: (event) => { this.failures.add(event); },
      onGap: (number) => { this.missed += number ?? 0; },
      onState: (state) => setText(byId('feed'), told[state]),
    });
    setInterval(() => this.showFailures(), 500);
  }

  async live() {
    await this.ask('services', (names) => { this.names = names; });
    this.watch();
    await this.poll();
  }

  showReport() {
    const { report } = this;
    this.names = report.services;
    setTitle(byId('title'), `tcpeek: ${report.files.join(', ')}`);
    setText(byId('state'), `a report of ${report.files.join(', ')}`);
    setText(byId('rate-title'), 'Attempts');
    setText(byId('feed'), report.failures_left_out > 0
      ? `${count(report.failures_left_out)} earlier ones are left out` : '');
    setText(byId('failures-title'), 'Failures');
    this.takeExplanation(report.explain);
    this.showStats(report.stats);
    this.takeHistory(report.history);
    this.showSeries();
    for (const failure of report.failures) this.failures.add(failure);
    this.showServices(report.top);
    this.showFailures();
    this.look(report.stats.uptime_seconds > TEN_MINUTES ? DAY : TEN_MINUTES);
  }
}

// The system's, unless another was chosen; it stays chosen where the browser keeps it.
function useThemes(changed) {
  const remembered = () => { try { return localStorage.getItem('theme'); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem('theme', theme); } catch { /* a file's page may not */ } };
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const button = byId('theme');
  let chosen = remembered();
  const apply = () => {
    const theme = chosen ?? (dark.matches ? 'dark' : 'light');
    document.documentElement.dataset.theme = theme;
    button.setAttribute('aria-pressed', String(theme === 'dark'));
    changed();
  };
  button.addEventListener('click', () => {
    chosen = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    remember(chosen);
    apply();
  });
  dark.addEventListener('change', apply);
  apply();
}

const page = new Page(JSON.parse(byId('report').textContent));
useThemes(() => {
  page.charts.forget();
  page.draw();
});
if (page.report) page.showReport();
else page.live();
