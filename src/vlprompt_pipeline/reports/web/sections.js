// A section a family: what is chosen in its form decides what is drawn.
const CHARTS = { ranking: drawRanking, sizes: drawSizes, curves: drawCurves, panels: drawPanels };

// The choices of a form; methods come with the best first.
const chosenIn = (form, family) => {
  const data = new FormData(form), bars = data.get("bars"), shown = new Set(data.getAll("method"));
  const chosen = { bars, shots: Number(data.get("shots")) };
  for (const name of ["metric", "show", "size", "under", "against"]) chosen[name] = data.get(name);
  chosen.dataset = bars.startsWith("dataset:") ? bars.slice("dataset:".length) : family.datasets[0];
  const rank = method => {
    const row = scoreOf(family, chosen, { dataset: family.datasets[0], method });
    return row === null ? Infinity : given.metrics[chosen.metric].lower ? row.mean : -row.mean;
  };
  chosen.methods = family.methods.filter(method => shown.has(method)).sort((a, b) => rank(a) - rank(b) || 0);
  return chosen;
};

for (const form of document.querySelectorAll("form.family")) {
  const family = given.families[Number(form.dataset.family)];
  const drawCharts = chosen => {
    for (const box of form.querySelectorAll("[data-chart]")) CHARTS[box.dataset.chart](box, family, chosen);
  };
  const drawAll = () => {
    const chosen = chosenIn(form, family);
    const words = { metric: given.metrics[chosen.metric].title, dataset: datasetTitle(family, chosen.dataset) };
    for (const place of form.querySelectorAll("[data-tell]")) place.textContent = words[place.dataset.tell];
    drawScores(form.querySelector("table.scores"), family, chosen);
    drawTests(form.querySelector("table.tests"), family, chosen);
    drawCharts(chosen);
  };
  for (const chip of form.querySelectorAll("[data-mark]")) {
    chip.append(markOf(chip.dataset.mark, 0, 0, family.flags.has(chip.dataset.mark)));
  }
  form.addEventListener("change", drawAll);
  form.addEventListener("submit", event => event.preventDefault());
  drawAll();
  let width = form.clientWidth;
  new ResizeObserver(() => {
    if (form.clientWidth === width) return;
    width = form.clientWidth;
    drawCharts(chosenIn(form, family));
  }).observe(form);
}
