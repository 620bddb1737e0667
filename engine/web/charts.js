// The charts: rates and failures by dygraphs, the heat map of latency on canvases, one for each row of a table.
import { element, setText } from './elements.js';
import { rate, seconds } from './format.js';
import { heatLevel, heatOf, ratesOf } from './model.js';

const HEAT_COLUMNS = 60;
const RATE_LINES = [['success', 'succeeded', '--good']];
const FAILURE_LINES = [
  ['refused', 'refused or reset', '--refused'],
  ['noAnswer', 'timed out', '--silent'],
  ['unreachable', 'unreachable', '--unreachable'],
  ['aborted', 'ended by the initiator', '--aborted'],
];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);

// One chart of rates per second.
class RateChart {
  constructor(box, lines, filled) {
    Object.assign(this, { box, lines, filled, chart: null });
  }

  draw(rates, window) {
    const rows = rates.map((point) => [point.time, ...this.lines.map(([key]) => point[key])]);
    if (this.chart) return this.chart.updateOptions({ file: rows, dateWindow: window });
    this.legend([]);
    this.chart = new Dygraph(this.box.querySelector('.plot'), rows, this.options(window));
  }

  legend(points) {
    showLegend(this.box.querySelector('.legend'), this.lines, points);
  }

  options(window) {
    return {
      labels: ['time', ...this.lines.map(([, label]) => label)],
      colors: this.lines.map(([, , name]) => colour(name)),
      highlightCallback: (event, x, points) => this.legend(points),
      unhighlightCallback: () => this.legend([]),
      stackedGraph: this.filled,
      fillGraph: true,
      stepPlot: true,
      strokeWidth: 1.5,
      dateWindow: window,
      includeZero: true,
      gridLineColor: colour('--line'),
      axisLineColor: colour('--line'),
      axisLabelFontSize: 12,
      highlightCircleSize: 3,
      interactionModel: {},
      axes: { y: { axisLabelFormatter: rate, valueFormatter: rate, axisLabelWidth: 44 } },
    };
  }

  forget() {
    this.chart?.destroy();
    this.chart = null;
  }
}

// What the colours stand for, and the figures under the pointer. The library's own legend sets styles inline,
// which the page's policy forbids.
function showLegend(box, lines, points) {
  const keys = lines.flatMap(([, label, name]) => {
    const point = points.find(({ name: its }) => its === label);
    const value = point ? ` ${rate(point.yval)}/s` : '';
    return [element('span', { class: `key key-${name.slice(2)}` }), `${label}${value}\u2003`];
  });
  box.replaceChildren(...keys);
}

export class Charts {
  constructor({ rates, failures, heat }) {
    this.rates = new RateChart(rates, RATE_LINES, false);
    this.failures = new RateChart(failures, FAILURE_LINES, true);
    this.heat = heat;
  }

  // `rows` of one series of the history, between two Unix times.
  drawRates(rows, begin, end) {
    const rates = rows.map(ratesOf);
    const window = [begin * 1000, end * 1000];
    this.describe(rates);
    if (rates.length === 0) return;
    this.rates.draw(rates, window);
    this.failures.draw(rates, window);
  }

  // What the charts show, for those who do not see them.
  describe(rates) {
    const failed = (point) => point.refused + point.noAnswer + point.unreachable;
    const most = (of) => rates.reduce((largest, point) => Math.max(largest, of(point)), 0);
    const last = rates.at(-1);
    const say = (chart, what, of) => {
      const text = last === undefined
        ? 'nothing yet'
        : `${rate(of(last))}/s ${what} last, ${rate(most(of))}/s at most`;
      setText(chart.box.querySelector('.summary'), text);
      chart.box.querySelector('.plot').setAttribute('aria-label', `Chart over time: ${text}`);
    };
    say(this.rates, 'succeeded', (point) => point.success);
    say(this.failures, 'failed', failed);
  }

  // `series`: [name, rows]
  drawHeat(series, begin, end) {
    const body = this.heat.tBodies[0];
    const rows = series
      .map(([name, history]) => [name, heatOf(history, begin, end, HEAT_COLUMNS)])
      .filter(([, cells]) => cells.some((cell) => cell !== null));
    while (body.rows.length > rows.length) body.deleteRow(-1);
    rows.forEach(([name, cells], i) => heatRow(body, i, name, cells));
    this.heat.hidden = rows.length === 0;
  }

  // The colours have changed.
  forget() {
    this.rates.forget();
    this.failures.forget();
  }
}

function heatRow(body, i, name, cells) {
  const row = body.rows[i] ?? body.appendChild(element('tr', {},
    element('th', { scope: 'row' }), element('td', { class: 'strip' }, element('canvas', { role: 'img' })),
    element('td', { class: 'number' })));
  const known = cells.filter((cell) => cell !== null);
  const worst = Math.max(...known);
  setText(row.cells[0], name);
  setText(row.cells[2], seconds(worst));
  const canvas = row.cells[1].firstChild;
  canvas.setAttribute('aria-label', `p99 ${seconds(known.at(-1))} last, ${seconds(worst)} at most`);
  paint(canvas, cells);
}

function paint(canvas, cells) {
  const scale = globalThis.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * scale;
  canvas.height = canvas.clientHeight * scale;
  const context = canvas.getContext('2d');
  const width = canvas.width / cells.length;
  cells.forEach((cell, i) => {
    if (cell === null) return;
    context.fillStyle = heatColour(heatLevel(cell));
    context.fillRect(Math.floor(i * width), 0, Math.ceil(width), canvas.height);
  });
}

const HEAT = [[59, 125, 216], [242, 201, 76], [208, 52, 44]];

// From blue over yellow to red, on either theme; no green, as many cannot tell it from red.
export function heatColour(level) {
  const place = Math.min(level * 2, 1.999);
  const [from, to] = HEAT.slice(Math.floor(place));
  const mixed = from.map((part, i) => Math.round(part + (to[i] - part) * (place % 1)));
  return `rgb(${mixed.join(' ')})`;
}
