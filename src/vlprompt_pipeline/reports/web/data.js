// What the page was given: methods, metrics, families with their tables, and how to find a row.
const given = JSON.parse(document.getElementById("comparison").textContent);

// The values of an encoded column (payload.py).
const scaled = (value, scale) =>
  value === null ? null : Array.isArray(value) ? value.map(item => scaled(item, scale)) : value / scale;
const valuesOf = (column, rows) => {
  if ("all" in column) return Array(rows).fill(column.all);
  if (column.plain) return column.plain;
  if (column.int) return column.int.map(value => scaled(value, column.scale));
  if (column.at) return column.at.map(index => column.of[index]);
  const values = [];
  for (let i = 0; i < column.runs.length; i += 2) {
    for (let n = 0; n < column.runs[i + 1]; n++) values.push(column.of[column.runs[i]]);
  }
  return values;
};
const expand = ({ rows, columns }, further = {}) => {
  const names = Object.keys(columns), values = names.map(name => valuesOf(columns[name], rows));
  return Array.from({ length: rows }, (_, row) => ({
    ...Object.fromEntries(names.map((name, column) => [name, values[column][row]])), ...further,
  }));
};
const keyOf = (...parts) => parts.join("\n");
const groupedBy = (rows, key) => {
  const groups = new Map();
  for (const row of rows) groups.get(key(row))?.push(row) ?? groups.set(key(row), [row]);
  return groups;
};
const byMetric = tables => Object.entries(tables).flatMap(([metric, table]) => expand(table, { metric }));

for (const family of given.families) {
  family.titles = Object.fromEntries(family.datasets);
  family.datasets = family.datasets.map(([dataset]) => dataset);
  const scores = byMetric(family.scores);
  family.index = new Map(scores.map(row => [keyOf(row.dataset, row.shots, row.method, row.metric), row]));
  family.sizeOf = new Map(expand(family.sizes).map(row => [row.method, row]));
  family.tests = groupedBy(byMetric(family.pairs), row => keyOf(row.shots, row.metric));
  family.flags = groupedBy(scores.filter(row => row.flags.length), row => row.method);
}
const missingCells = expand(given.missing);
const flagged = new Set(given.families.flatMap(family => [...family.flags.keys()]));

const titleOf = (family, method) => family.method_titles[method];
const isAverage = dataset => dataset === given.average;
const datasetTitle = (family, dataset) => family.titles[dataset];

// The row of a score, if there is one; `what` may name other values than those chosen.
const scoreOf = (family, chosen, what) => {
  const { dataset, shots, method, metric } = { ...chosen, ...what };
  return family.index.get(keyOf(dataset, shots, method, metric)) ?? null;
};

// The paired tests with a method, turned so that the others are compared with it.
const testsAgainst = (family, chosen, method) => {
  const turned = { better: "worse", worse: "better" };
  const rows = family.tests.get(keyOf(chosen.shots, chosen.metric)) ?? [];
  return rows.filter(row => row.against === method || row.method === method).map(row =>
    row.against === method ? row : {
      ...row, method: row.against, against: row.method, difference: -row.difference,
      low: row.high === null ? null : -row.high, high: row.low === null ? null : -row.low,
      verdict: turned[row.verdict] ?? row.verdict,
    });
};

// A score's difference to zero-shot: that of the paired test, over the seeds that both have, where there was one.
const differenceOf = (family, chosen, row) => {
  const { dataset, shots, method, metric } = row;
  const test = testsAgainst(family, { shots, metric }, given.zero_shot)
    .find(paired => paired.method === method && paired.dataset === dataset);
  if (test) return { row, value: test.difference, low: test.low, high: test.high };
  const zero = scoreOf(family, chosen, { ...row, method: given.zero_shot });
  return zero && { row, value: row.mean - zero.mean, low: null, high: null };
};
const valueOf = (family, chosen, what) => {
  const row = scoreOf(family, chosen, what);
  if (!row || chosen.show === "difference") return row && differenceOf(family, chosen, row);
  return { row, value: row.mean, low: row.low, high: row.high };
};
const missingOf = (family, chosen, what) => {
  const { dataset, shots, method } = { ...chosen, ...what };
  const [trained] = (family.source || dataset).split(" ");  // without the mark of a random split
  return missingCells.filter(cell => cell.protocol === family.protocol && cell.clip === family.clip &&
    cell.method === method && cell.shots === shots && cell.dataset === trained);
};
