// Bars: of all methods on one dataset, of one method on all datasets, or a small panel a dataset.
const barScale = (values, [start, end]) => {
  const reached = values.flatMap(({ value, low, high }) => [value, low ?? value, high ?? value]);
  const low = Math.min(0, ...reached), high = Math.max(0, ...reached);
  return scaleOf(high - low < 1 ? [Math.min(low, -0.5), Math.max(high, 0.5)] : [low, high], [start, end]);
};

const barOf = (svg, along, y, thick, { value, low, high, row }) => {
  const [from, to] = [along(Math.min(0, value)), along(Math.max(0, value))];
  const box = { x: from, y: y - thick / 2, width: Math.max(to - from, 0.5), height: thick };
  svg.append(draw("rect", { ...box, style: `fill:${colourOf(row.method)}`, class: "bar" }));
  if (low !== null) svg.append(lineOf(along(low), y, along(high), y, "whisker"));
  svg.append(markOf(row.method, along(value), y, row.flags.length > 0));
};
// A row of a figure, which tells its score wherever it is pointed at.
const bandOf = (family, { row }, box) => telling(
  draw("g", { class: "told" }, draw("rect", { ...box, class: "catch" })), () => scoreLines(family, row));
const figureOf = (chosen, value) => chosen.show === "difference" ? signed(value) : oneDecimal(value);
const bestFirst = metric => given.metrics[metric].lower ? (a, b) => a.value - b.value : (a, b) => b.value - a.value;

// One row a bar, its name to the left or, where it is narrow, above; the best first.
const drawRanking = (box, family, chosen) => {
  const byMethod = chosen.bars.startsWith("method:") ? null : chosen.bars.slice("dataset:".length);
  const cells = byMethod === null
    ? family.datasets.map(dataset => ({ dataset, method: chosen.bars.slice("method:".length) }))
    : chosen.methods.map(method => ({ dataset: byMethod, method }));
  const rows = cells.map(what => valueOf(family, chosen, what)).filter(Boolean).sort(bestFirst(chosen.metric));
  if (!rows.length) return nothingIn(box);
  const name = ({ row }) => byMethod === null ? datasetTitle(family, row.dataset) : titleOf(family, row.method);
  const width = box.clientWidth, narrow = width < 460, step = narrow ? 38 : 26;
  const label = narrow ? 8 : Math.min(0.42 * width, 16 + 7 * Math.max(...rows.map(row => name(row).length)));
  const along = barScale(rows, [label + 8, width - 62]);
  const svg = canvasOf(width, rows.length * step + 8, "Bars; the numbers are in the table above.");
  box.replaceChildren(svg);
  if (!narrow) svg.append(lineOf(along(0), 0, along(0), rows.length * step + 4, "axis"));
  rows.forEach((row, index) => {
    const y = index * step + (narrow ? 26 : 14);
    const group = bandOf(family, row, { x: 0, y: index * step, width, height: step });
    const title = narrow
      ? textOf(0, y - 12, name(row), { class: "ink" })
      : textOf(label, y + 4, name(row), { class: "end ink" });
    group.append(title);
    if (narrow) group.append(lineOf(along(0), y - 9, along(0), y + 9, "axis"));
    barOf(group, along, y, 12, row);
    group.append(textOf(width - 2, y + 4, figureOf(chosen, row.value), { class: "end ink" }));
    svg.append(group);
    shorten(title, narrow ? width : label);
  });
};

// A panel a dataset with the same scale and the same rows for all, named at the left of each row of panels.
const drawPanels = (box, family, chosen) => {
  const methods = chosen.methods.filter(method => chosen.show === "score" || method !== given.zero_shot);
  const panels = family.datasets.map(dataset => ({
    dataset, rows: methods.map(method => valueOf(family, chosen, { dataset, method })),
  })).filter(panel => panel.rows.some(Boolean));
  if (!panels.length) return nothingIn(box);
  const gap = 24, step = 16, height = methods.length * step + 4;
  const longest = Math.max(...methods.map(method => titleOf(family, method).length));
  const names = Math.min(0.36 * box.clientWidth, 12 + 6.4 * longest);
  const columns = Math.max(1, Math.floor((box.clientWidth - names) / (150 + gap)));
  const width = (box.clientWidth - names - gap * columns) / columns;
  const along = barScale(panels.flatMap(panel => panel.rows.filter(Boolean)), [8, width - 44]);
  box.style.gridTemplateColumns = `${names}px repeat(${columns}, minmax(0, 1fr))`;
  const namesColumn = () => {
    const svg = canvasOf(names, height, "Names of the methods.");
    const texts = methods.map(
      (method, index) => textOf(names, index * step + 13, titleOf(family, method), { class: "end ink" }));
    svg.append(...texts);
    const fit = () => texts.forEach(text => shorten(text, names));
    return { element: make("div", { class: "panel names" }, svg), fit };
  };
  const drawn = [], fits = [];
  panels.forEach(({ dataset, rows }, number) => {
    if (number % columns === 0) {
      const { element, fit } = namesColumn();
      drawn.push(element);
      fits.push(fit);
    }
    const svg = canvasOf(width, height, `Bars for ${dataset}; the numbers are in the table above.`);
    svg.append(lineOf(along(0), 0, along(0), height, "axis"));
    rows.forEach((row, index) => {
      if (!row) return svg.append(textOf(width - 1, index * step + 13, NONE, { class: "end" }));
      const group = bandOf(family, row, { x: 0, y: index * step, width, height: step });
      barOf(group, along, index * step + 9, 8, row);
      group.append(textOf(width - 1, index * step + 13, figureOf(chosen, row.value), { class: "end" }));
      svg.append(group);
    });
    const role = dataset === family.source ? "source" : isAverage(dataset) ? "average" : "target";
    const title = datasetTitle(family, dataset);
    const heading = family.source && role === "target" ? `→\u00a0${title}` : title;
    drawn.push(make("div", { class: `panel ${role}` }, make("h4", {}, ...breakable(heading)), svg));
  });
  box.replaceChildren(...drawn);
  for (const fit of fits) fit();
};
