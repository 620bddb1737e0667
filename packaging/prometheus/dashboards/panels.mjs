// What the dashboards share: their variables, and panels of a few kinds, each with a unit and a description.
import { createRequire } from 'node:module';

const sdk = (part) => createRequire(import.meta.url)(`@grafana/grafana-foundation-sdk/${part}`);
const { DashboardBuilder, DatasourceVariableBuilder, QueryVariableBuilder, VariableRefresh } = sdk('dashboard');
const { DataqueryBuilder, PromQueryFormat } = sdk('prometheus');
const { ReduceDataOptionsBuilder } = sdk('common');
const kinds = { graph: sdk('timeseries'), stat: sdk('stat'), table: sdk('table') };
export const { Seconds, Short, PercentUnit: Ratio, PacketsPerSecond } = sdk('units');
export const PerSecond = 'cps';

const datasource = { type: 'prometheus', uid: '${datasource}' };

// A query and what its series are called. Tables and single figures show the present only.
const query = (kind, [expr, legend], number) => {
  const made = new DataqueryBuilder().expr(expr).legendFormat(legend).refId(String.fromCharCode(65 + number));
  if (kind === 'table') made.format(PromQueryFormat.Table);
  return kind === 'graph' ? made.range().exemplar(expr.includes('_failures_total')) : made.instant();
};

const panel = (kind, width, unit, title, description, ...queries) => {
  const made = new kinds[kind].PanelBuilder().title(title).description(description).unit(unit).datasource(datasource);
  made.span(width).height(kind === 'stat' ? 4 : 8);
  queries.forEach((each, number) => made.withTarget(query(kind, each, number)));
  if (kind === 'stat') made.reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
  // Of a table, not the columns that are the same in each row.
  if (kind === 'table') {
    made.withTransformation({ id: 'organize', options: { excludeByName: { Time: true, job: true, direction: true, __name__: true } } });
  }
  return made;
};

// (unit, title, description, [expression, legend]...)
export const graph = (...rest) => panel('graph', 12, ...rest);
export const stat = (...rest) => panel('stat', 6, ...rest);
export const table = (...rest) => panel('table', 12, ...rest);

const variable = (name, label, of) =>
  new QueryVariableBuilder(name)
    .label(label)
    .datasource(datasource)
    .query(`label_values(${of}, ${name})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .allValue('.+')
    .current({ text: 'All', value: '$__all' });

export const dashboard = (config, uid, title, description, variables, panels) => {
  const made = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(config.dashboardTags)
    .refresh(config.dashboardRefresh)
    .time({ from: 'now-1h', to: 'now' })
    .readonly()
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'));
  for (const [name, label, of] of variables) made.withVariable(variable(name, label, of));
  for (const each of panels) made.withPanel(each);
  return made.build();
};
