// A section a family: what is chosen in its form decides what is drawn.
const CHARTS = { ranking: drawRanking, sizes: drawSizes, curves: drawCurves, panels: drawPanels };

const chosenIn = (form, family) => {
  const data = new FormData(form), bars = data.get("bars");
  const metric = data.get("metric"), shots = Number(data.get("shots"));
  const chosen = {
    bars, metric, shots, show: data.get("show"), size: data.get("size"), under: data.get("under"), against: data.get("against"),
    dataset: bars.startsWith("dataset:") ? bars.slice("dataset:".length) : family.datasets[0],
  };
  const rank = method => {
    const row = scoreOf(family, chosen, { dataset: family.datasets[0], method });
    return row === null ? Infinity : given.metrics[metric].lower ? row.mean : -row.mean;
  };
  const shown = new Set(data.getAll("method"));
  return { ...chosen, methods: family.methods.filter(method => shown.has(method)).sort((a, b) => rank(a) - rank(b)) };
};

for (const form of document.querySelectorAll("form.family")) {
  const family = given.families[Number(form.dataset.family)];
  const drawCharts = () => {
    const chosen = chosenIn(form, family);
    for (const box of form.querySelectorAll("[data-chart]")) CHARTS[box.dataset.chart](box, family, chosen);
    for (const place of form.querySelectorAll("[data-tell]")) {
      place.textContent = { metric: given.metrics[chosen.metric].title, dataset: datasetTitle(family, chosen.dataset) }[place.dataset.tell];
    }
  };
  const drawAll = () => {
    const chosen = chosenIn(form, family);
    drawScores(form.querySelector("table.scores"), family, chosen);
    drawTests(form.querySelector("table.tests"), family, chosen);
    drawCharts();
  };
  for (const chip of form.querySelectorAll("[data-mark]")) chip.append(markOf(chip.dataset.mark, 0, 0, family.flags.has(chip.dataset.mark)));
  form.addEventListener("change", drawAll);
  form.addEventListener("submit", event => event.preventDefault());
  drawAll();
  let width = form.clientWidth;
  new ResizeObserver(() => {
    if (form.clientWidth === width) return;
    width = form.clientWidth;
    drawCharts();
  }).observe(form);
}
