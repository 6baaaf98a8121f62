// The two tables that follow the choices: scores, and paired tests. They stay sorted as they were.
const headingOf = (text, kind, column) =>
  make("th", { scope: "col", "aria-sort": "none", "data-column": column },
    make("button", { type: "button", "data-kind": kind }, ...breakable(text)));

// `first` is the column that a new table is sorted by, and one whose column is not there any more.
const fillTable = (table, headings, rows, first) => {
  const of = column => headings.find(heading => heading.dataset.column === column);
  const before = table.querySelector("th[aria-sort$=ending]"), kept = of(before?.dataset.column);
  table.replaceChildren(make("thead", {}, make("tr", {}, ...headings)), make("tbody", {}, ...rows));
  const header = kept ?? of(first);
  if (header) sortRows(header, kept ? before.ariaSort : "descending");
  const start = table.querySelector("td");
  if (start) start.tabIndex = 0;
};

// Arrow keys walk over the cells of a table, which tell what is behind their figures.
const STEPS = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] };
document.addEventListener("keydown", event => {
  const cell = event.target.closest("table.walked td"), step = STEPS[event.key];
  if (!cell || !step) return;
  const row = cell.closest("tbody").rows[cell.parentElement.sectionRowIndex + step[0]];
  const next = row?.cells[cell.cellIndex + step[1]];
  if (!next) return;
  event.preventDefault();
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

const cellOf = (value, text, under, lines) => {
  const cell = make("td", { tabindex: -1, "data-value": value ?? "" }, text);
  if (under) cell.append(make("small", {}, under));
  return lines ? telling(cell, lines) : cell;
};
const nameCell = (family, method) => {
  const flags = [...new Set((family.flags.get(method) ?? []).flatMap(row => row.flags))];
  const mark = draw("svg", { class: "mark", viewBox: "-6 -6 12 12", "aria-hidden": "true" });
  mark.append(markOf(method, 0, 0, flags.length > 0));
  const title = titleOf(family, method);
  const meanings = () => [title, ...flags.map(flag => `${flag}: ${given.flags[flag]}`)];
  const cell = cellOf(title, title, flags.join(", "), flags.length ? meanings : null);
  cell.prepend(mark);
  return cell;
};
const rowOf = (method, cells) => make("tr", method === given.zero_shot ? { class: "reference" } : {}, ...cells);
const worded = cell => { cell.className = "text"; return cell; };

// What stands small below a score.
const UNDER = {
  nothing: () => "",
  zero_shot: (family, chosen, row) => {
    const difference = row.method === given.zero_shot ? null : differenceOf(family, chosen, row);
    return difference ? signed(difference.value) : "";
  },
  interval: (family, chosen, row) => row.low === null ? "" : `${oneDecimal(row.low)} to ${oneDecimal(row.high)}`,
  published: (family, chosen, row) => {
    if (row.published === null) return "";
    const side = { yes: "inside", no: "outside" }[row.inside] ?? "";
    return `${signed(row.mean - row.published)} ${side} ${row.published_flags.length ? "†" : ""}`.trim();
  },
};

// A column a dataset, and beside the average of H the other convention; on one dataset a column a metric.
const scoreColumns = (family, chosen) => {
  if (family.datasets.length === 1) {
    const [dataset] = family.datasets;
    return family.metrics.map(metric => {
      const title = given.metrics[metric].title.replaceAll("-", "\u2011"); // no line ends within top-5
      return { dataset, metric, key: metric, title };
    });
  }
  const columns = family.datasets.map(dataset => ({
    dataset, metric: chosen.metric, key: dataset,
    title: datasetTitle(family, dataset),
  }));
  const other = { dataset: given.average, metric: "mean_of_h", key: "mean_of_h" };
  const isThere = method => scoreOf(family, chosen, { ...other, method });
  if (chosen.metric === "h" && family.methods.some(isThere)) {
    columns.splice(1, 0, { ...other, title: given.metrics.mean_of_h.title });
  }
  return columns;
};

const scoreCell = (family, chosen, row, inHeading) => {
  const caveats = row.caveats.filter(caveat => !inHeading.includes(caveat)).join(", ");
  const under = [UNDER[chosen.under](family, chosen, row), caveats].filter(Boolean).join("; ");
  return cellOf(row.mean, plusMinus(row), under, () => scoreLines(family, row));
};
// What holds for every figure stands where it is said once.
const sharedCaveats = rows =>
  rows.length ? rows[0].caveats.filter(caveat => rows.every(row => row.caveats.includes(caveat))) : [];
const holeCell = (family, chosen, what) => {
  const missing = missingOf(family, chosen, what).length > 0;
  return cellOf(null, NONE, missing ? "missing" : "", () => missingLines(family, chosen, what));
};

const drawScores = (table, family, chosen) => {
  const columns = scoreColumns(family, chosen), rows = new Map(), headings = [headingOf("Method", "text", "method")];
  const ranking = family.datasets.length === 1 ? chosen.metric : family.datasets[0];  // a column's key
  const verdicts = chosen.metric === family.ranking ? family.verdicts[chosen.shots] : null;
  for (const method of family.methods) rows.set(method, [nameCell(family, method)]);
  for (const { dataset, metric, title, key } of columns) {
    const inColumn = new Map(
      family.methods.map(method => [method, scoreOf(family, chosen, { dataset, metric, method })]));
    const scores = [...inColumn.values()].filter(Boolean), shared = sharedCaveats(scores);
    const best = given.metrics[metric].lower ? Math.min : Math.max;
    const top = best(...scores.map(row => row.mean));
    for (const [method, row] of inColumn) {
      const cell = row ? scoreCell(family, chosen, row, shared) : holeCell(family, chosen, { dataset, method });
      cell.classList.toggle("best", row?.mean === top);
      rows.get(method).push(cell);
    }
    const heading = headingOf(title, "number", key);
    if (shared.length) heading.append(make("small", {}, shared.join(", ")));
    headings.push(heading);
    if (verdicts && key === ranking) {
      headings.push(worded(headingOf(`Against ${titleOf(family, given.zero_shot)}`, "text", "verdict")));
      for (const [method, cells] of rows) cells.push(worded(cellOf(verdicts[method], verdicts[method] ?? NONE)));
    }
  }
  fillTable(table, headings, [...rows].map(([method, cells]) => rowOf(method, cells)), ranking);
};

const VERDICTS = { better: "▲", worse: "▼" };
const testCell = (family, row) => {
  const text = `${signed(row.difference)} ${VERDICTS[row.verdict] ?? ""}`.trim();
  const cell = cellOf(row.difference, text, `p ${pValue(row.p_holm)}`, () => testLines(family, row));
  cell.className = row.verdict.replaceAll(" ", "-");
  return cell;
};
const verdictCell = tests => {
  const count = verdict => tests.filter(row => row.verdict === verdict).length;
  const [better, worse] = [count("better"), count("worse")];
  return cellOf(better - worse, `${better} ▲ ${worse} ▼`, `of ${tests.length}`);
};

const drawTests = (table, family, chosen) => {
  const tests = testsAgainst(family, chosen, chosen.against);
  table.closest(".paired").classList.toggle("empty", !tests.length);
  if (!tests.length) return table.replaceChildren();
  const datasets = family.datasets.filter(dataset => tests.some(row => row.dataset === dataset));
  const byMethod = groupedBy(tests, row => row.method), several = datasets.length > 1;
  const rows = family.methods.filter(method => byMethod.has(method)).map(method => {
    const ofMethod = byMethod.get(method);
    const cells = datasets.map(dataset => {
      const row = ofMethod.find(test => test.dataset === dataset);
      const none = () => [`${titleOf(family, method)}, ${datasetTitle(family, dataset)}: no paired test`];
      return row ? testCell(family, row) : cellOf(null, NONE, "", none);
    });
    if (several) cells.unshift(verdictCell(ofMethod.filter(row => !isAverage(row.dataset))));
    return rowOf(method, [nameCell(family, method), ...cells]);
  });
  const headings = datasets.map(dataset => headingOf(datasetTitle(family, dataset), "number", dataset));
  if (several) headings.unshift(headingOf("Better, worse", "number", "verdicts"));
  fillTable(table, [headingOf("Method", "text", "method"), ...headings], rows, several ? "verdicts" : datasets[0]);
};
