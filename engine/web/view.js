// The services, the findings and the failures as elements.
import { element, list, setText } from './elements.js';
import { count, endpoint, moment, rate, seconds, share } from './format.js';
import { causesOf, failuresOf, findingOf, nameOf, repeatsOf, stateOf, stateWord, troubledSince } from './model.js';

const VERDICTS = {
  here: 'the trouble is here, on this host',
  there: 'the trouble is there, at the far end',
  path: 'the trouble is on the path',
  initiator: 'the connecting side causes it',
  unknown: 'whose trouble it is cannot be told',
};

function causesText(service) {
  return causesOf(service).map(([word, number]) => `${count(number)} ${word}`).join(', ') || '–';
}

// What the cells after the service say.
function figures(service, context) {
  const since = troubledSince(service);
  const leg = service.legs_seconds.syn_to_synack;
  return [
    service.direction,
    since ? moment(since, context.now) : '–',
    context.rates ? rate(context.rates(service)) : count(service.attempts),
    share(service.success, service.success + failuresOf(service)),
    causesText(service),
    seconds(leg.p50),
    seconds(leg.p99),
  ];
}

const FIGURE_CLASSES = [null, null, 'number', 'number', null, 'number', 'number'];

// Rows stay where they are while they are told of, with the focus and what is open.
export class ServicesTable {
  constructor(table) {
    this.body = table.tBodies[0];
    this.rows = new Map();
    this.added = 0;
  }

  show(services, context) {
    const wanted = services.map((service) => this.update(service, context));
    const places = wanted.flatMap(({ row, detail }) => [row, detail]);
    const stale = [...this.rows].filter(([, entry]) => !wanted.includes(entry));
    for (const [name, { row, detail }] of stale) {
      row.remove();
      detail.remove();
      this.rows.delete(name);
    }
    if (places.some((node, i) => this.body.children[i] !== node)) this.place(places);
  }

  // Moving an element takes the focus from it.
  place(places) {
    const focused = document.activeElement;
    this.body.replaceChildren(...places);
    if (focused && this.body.contains(focused)) focused.focus({ preventScroll: true });
  }

  // In place: an element that is taken out and put back loses the focus.
  update(service, context) {
    const name = nameOf(service);
    const entry = this.rows.get(name) ?? this.add(name, service, context.names);
    const state = stateOf(service);
    entry.row.className = state;
    entry.state.className = `state ${state}`;
    setText(entry.state, stateWord(state));
    figures(service, context).forEach((text, i) => setText(entry.figures[i], text));
    entry.open = () => showDetail(entry.detail, service, context);
    if (!entry.detail.hidden) entry.open();
    return entry;
  }

  add(name, service, names) {
    this.added += 1;
    const id = `detail-${this.added}`;
    const named = names[service.responder.port];
    const button = element('button', { type: 'button', class: 'disclose', 'aria-expanded': 'false', 'aria-controls': id },
      element('span', { class: 'endpoint' }, endpoint(service.responder)),
      named ? element('span', { class: 'named' }, named) : null,
      element('span', { class: 'unseen' }, ': explain'));
    const state = element('span');
    const cells = FIGURE_CLASSES.map((kind) => element('td', { class: kind }));
    const entry = {
      row: element('tr', {}, element('td', {}, state), element('th', { scope: 'row' }, button), ...cells),
      detail: element('tr', { id, class: 'detail', hidden: true }, element('td', { colspan: '9' })),
      state,
      figures: cells,
      open: () => {},
    };
    button.addEventListener('click', () => {
      entry.detail.hidden = !entry.detail.hidden;
      button.setAttribute('aria-expanded', String(!entry.detail.hidden));
      if (!entry.detail.hidden) entry.open();
    });
    this.rows.set(name, entry);
    return entry;
  }
}

function showDetail(detail, service, context) {
  const finding = findingOf(service, context.explanation);
  const shown = JSON.stringify([finding, finding ? null : service]);
  if (detail.dataset.shown === shown) return;
  detail.dataset.shown = shown;
  detail.cells[0].replaceChildren(finding ? findingBox(finding, context.now) : plainBox(service, context));
}

// Of a service that no finding is about, what its counts say.
function plainBox(service, context) {
  const repeats = repeatsOf(service);
  const lines = [
    `${count(service.attempts)} attempts: ${count(service.success)} succeeded, ${count(failuresOf(service))} ` +
      `failed, ${count(service.pending)} pending, ${count(service.retrying)} of them repeating${repeats && `: ${repeats}`}`,
    `${count(service.dup_syn_segments)} SYNs and ${count(service.dup_synack_segments)} SYN/ACKs were repeated`,
  ];
  if (service.last_success) lines.push(`last success ${moment(service.last_success, context.now)}`);
  if (service.last_failure) lines.push(`last failure ${moment(service.last_failure, context.now)}`);
  return element('div', { class: 'finding' },
    element('p', {}, 'It is not among what is most worth knowing now.'), list(lines));
}

function since(times, now) {
  if (times.never_worked) return 'the first attempt: never seen to work';
  const parts = [];
  if (times.failing_since) parts.push(moment(times.failing_since, now));
  if (times.last_success) parts.push(`${parts.length ? '' : 'the '}last success ${moment(times.last_success, now)}`);
  return parts.join(', ');
}

function part(title, content) {
  return [element('dt', {}, title), element('dd', {}, content)];
}

function command(text) {
  return element('li', {}, element('code', { tabindex: '0' }, text));
}

function findingBox(finding, now) {
  const parts = [...part('Verdict', VERDICTS[finding.verdict] ?? finding.verdict)];
  const when = since(finding.since, now);
  if (when) parts.push(...part('Since', when));
  if (finding.evidence.length > 0) parts.push(...part('Evidence', list(finding.evidence)));
  if (finding.limits.length > 0) parts.push(...part('Limits', list(finding.limits)));
  if (finding.next.length > 0) {
    parts.push(...part('Next', element('ul', { class: 'commands' }, ...finding.next.map(command))));
  }
  return element('div', { class: `finding ${finding.verdict}` },
    element('p', { class: 'sentence' }, finding.sentence), element('dl', {}, ...parts));
}

export function showExplanation(box, explanation, now) {
  const shown = JSON.stringify([explanation.summary, explanation.findings]);
  if (box.dataset.shown === shown) return;
  box.dataset.shown = shown;
  box.replaceChildren(element('p', {}, explanation.summary),
    ...explanation.findings.map((finding) => findingBox(finding, now)));
}

// One failure, as a row.
export function failureRow(event, names) {
  const named = names[event.responder.port];
  const tries = event.tries === 1 ? '1 SYN' : `${event.tries} SYNs`;
  return element('tr', {},
    element('td', {}, moment(event.time, new Date())),
    element('td', { class: 'endpoint' }, endpoint(event.initiator)),
    element('td', {}, element('span', { class: 'endpoint' }, endpoint(event.responder)),
      named ? element('span', { class: 'named' }, named) : null),
    element('td', {}, (event.cause || event.result).replace('_', ' ') + (event.uncertain ? ' (uncertain)' : '')),
    element('td', { class: 'number' }, tries),
    element('td', { class: 'number' }, seconds(event.duration_seconds)));
}

export function showFailures(body, failures, names) {
  const rows = failures.map((event) => {
    event.row ??= failureRow(event, names);
    return event.row;
  });
  body.replaceChildren(...rows);
}

export function showDoubts(box, doubts) {
  box.hidden = doubts.length === 0;
  const text = doubts.join(' ');
  if (box.dataset.shown === text) return;
  box.dataset.shown = text;
  box.replaceChildren(element('strong', {}, 'Figures are uncertain. '), text);
}

export function showOptions(select, choices) {
  const shown = JSON.stringify(choices);
  if (select.dataset.shown === shown) return;
  select.dataset.shown = shown;
  const chosen = select.value;
  select.replaceChildren(...choices.map(([value, label]) => element('option', { value }, label)));
  if (choices.some(([value]) => value === chosen)) select.value = chosen;
}

export function setTitle(node, title) {
  setText(node, title);
  document.title = title;
}
