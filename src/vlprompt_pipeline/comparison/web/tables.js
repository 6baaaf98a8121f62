// The two tables that follow the choices: scores, and paired tests. They stay sorted as they were.
const headingOf = (text, kind, column) => make("th", { scope: "col", "aria-sort": "none", "data-column": column },
  make("button", { type: "button", "data-kind": kind }, text));

const fillTable = (table, headings, rows, first) => {
  const before = table.querySelector("th[aria-sort$=ending]");
  const column = before?.dataset.column ?? first, order = before?.ariaSort ?? "descending";
  table.replaceChildren(make("thead", {}, make("tr", {}, ...headings)), make("tbody", {}, ...rows));
  const header = [...table.tHead.rows[0].cells].find(cell => cell.dataset.column === column);
  if (header) sortRows(header, order);
  const start = table.querySelector("td");
  if (start) start.tabIndex = 0;
};

// Arrow keys walk over a table's cells, which tell what is behind their figures.
document.addEventListener("keydown", event => {
  const cell = event.target.closest("table.walked td");
  const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] ?? [];
  if (!cell || down === undefined) return;
  const row = cell.parentElement.parentElement.rows[cell.parentElement.sectionRowIndex + down];
  const next = row?.cells[cell.cellIndex + right];
  if (!next) return;
  event.preventDefault();
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});

const cellOf = (value, text, under, lines) => {
  const cell = make("td", { tabindex: -1, "data-value": value ?? "" }, text, ...(under ? [make("small", {}, under)] : []));
  return lines ? telling(cell, lines) : cell;
};
const nameCell = (family, method) => {
  const flags = (family.flags.get(method) ?? []).flatMap(row => row.flags);
  const cell = make("td", { tabindex: -1, "data-value": titleOf(method) },
    draw("svg", { class: "mark", viewBox: "-6 -6 12 12", "aria-hidden": "true" }, markOf(method, 0, 0, flags.length > 0)),
    titleOf(method), ...(flags.length ? [make("small", { class: "flag" }, [...new Set(flags)].join(", "))] : []));
  return flags.length ? telling(cell, () => [titleOf(method), ...new Set(flags.map(flag => `${flag}: ${given.flags[flag]}`))]) : cell;
};
const rowOf = (method, cells) => make("tr", method === given.zero_shot ? { class: "reference" } : {}, ...cells);

// What stands small below a score.
const under = {
  nothing: () => "",
  zero_shot: (family, chosen, row) => {
    const zero = scoreOf(family, chosen, { dataset: row.dataset, method: given.zero_shot });
    return zero && row !== zero ? signed(row.mean - zero.mean) : "";
  },
  interval: (family, chosen, row) => row.low === null ? "" : `${one(row.low)} to ${one(row.high)}`,
  published: (family, chosen, row) => {
    if (row.published === null) return "";
    return `${signed(row.delta)} ${{ yes: "inside", no: "outside" }[row.inside] ?? ""}${row.published_flags.length ? " †" : ""}`.trim();
  },
};

const drawScores = (table, family, chosen) => {
  const both = chosen.metric === "h" && family.methods.some(method =>
    scoreOf(family, chosen, { dataset: given.average, method, metric: "mean_of_h" }));
  const columns = family.datasets.map(dataset => ({ dataset, metric: chosen.metric, title: datasetTitle(family, dataset) }));
  if (both) columns.splice(1, 0, { dataset: given.average, metric: "mean_of_h", title: given.metrics.mean_of_h.title });
  for (const column of columns) {
    const means = family.methods.map(method => scoreOf(family, chosen, { ...column, method }))
      .filter(Boolean).map(row => row.mean);
    column.best = given.metrics[chosen.metric].lower ? Math.min(...means) : Math.max(...means);
  }
  const rows = family.methods.map(method => rowOf(method, [nameCell(family, method), ...columns.map(({ title, best, ...where }) => {
    const what = { ...where, method }, row = scoreOf(family, chosen, what);
    if (!row) return cellOf(null, NONE, missingOf(family, chosen, what).length ? "missing" : "", () => missingLines(family, chosen, what));
    const cell = cellOf(row.mean, plusMinus(row), under[chosen.under](family, chosen, row), () => scoreLines(family, row));
    if (row.mean === best) cell.className = "best";
    return cell;
  })]));
  const headings = columns.map(({ dataset, metric, title }) =>
    headingOf(dataset === family.source ? `${title} (source)` : title, "number", keyOf(dataset, metric === "mean_of_h" ? metric : "")));
  fillTable(table, [headingOf("Method", "text", "method"), ...headings], rows, keyOf(family.datasets[0], ""));
};

const VERDICTS = { better: "▲", worse: "▼" };
const drawTests = (table, family, chosen) => {
  const tests = testsAgainst(family, chosen, chosen.against);
  const datasets = family.datasets.filter(dataset => tests.some(row => row.dataset === dataset));
  table.closest(".paired").classList.toggle("empty", !tests.length);
  if (!tests.length) return table.replaceChildren();
  const rows = family.methods.filter(method => tests.some(row => row.method === method)).map(method => {
    const own = tests.filter(row => row.method === method), single = own.filter(row => !isAverage(row.dataset));
    const count = verdict => single.filter(row => row.verdict === verdict).length;
    return rowOf(method, [nameCell(family, method),
      cellOf(count("better") - count("worse"), `${count("better")} ▲ ${count("worse")} ▼`, `of ${single.length}`),
      ...datasets.map(dataset => {
        const row = own.find(one => one.dataset === dataset);
        if (!row) return cellOf(null, NONE, "", () => [`${titleOf(method)}, ${dataset}: no paired test`]);
        const cell = cellOf(row.difference, `${signed(row.difference)} ${VERDICTS[row.verdict] ?? ""}`.trim(), `p ${pValue(row.p_holm)}`, () => testLines(family, row));
        cell.className = row.verdict.replaceAll(" ", "-");
        return cell;
      })]);
  });
  fillTable(table, [headingOf("Method", "text", "method"), headingOf("Better, worse", "number", "verdicts"),
    ...datasets.map(dataset => headingOf(datasetTitle(family, dataset), "number", dataset))], rows, "verdicts");
};
