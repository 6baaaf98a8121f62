// A section a family: what is chosen in its form, and in the legend of the page, decides what is drawn.
const CHARTS = { ranking: drawRanking, halves: drawHalves, sizes: drawSizes, curves: drawCurves, panels: drawPanels };
const legend = document.querySelector("form.legend");

// The choices of a form; methods come with the best first.
const chosenIn = (form, family) => {
  const data = new FormData(form), bars = data.get("bars"), shown = new Set(new FormData(legend).getAll("method"));
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

// Class lists and provenance, written when somebody opens them.
const FILL = {
  classes: (details, family) => {
    const lists = new Map(expand(family.provenance).map(row => [`${row.dataset}\n${row.classes}`, row]));
    for (const { dataset, classes } of lists.values()) {
      given.classes[classes].forEach((names, index) => {
        if (!names.length) return;
        const half = given.classes[classes][1].length ? ["base ", "new "][index] : "";
        details.append(make("h4", {}, `${dataset}: ${names.length} ${half}classes`),
          make("ol", { class: "classes" }, ...names.map(name => make("li", {}, name))));
      });
    }
  },
  provenance: (details, family) => {
    const names = {
      dataset: "Dataset", shots: "Shots", seed: "Seed", test_images: "Test images", few_shot_sha256: "Few-shot set",
      code_version: "Version", random_split: "Random split", split_sha256: "Split",
    };
    const rows = expand(family.provenance).map(row =>
      make("tr", {}, ...Object.keys(names).map(name => make("td", {}, String(row[name])))));
    const table = make("table", { class: "sortable" });
    details.append(make("div", { class: "scroll" }, table));
    fillTable(table, Object.entries(names).map(([name, title]) => headingOf(title, "text", name)), rows, "");
  },
};

for (const form of document.querySelectorAll("form.family")) {
  const family = given.families[Number(form.dataset.family)];
  const drawCharts = chosen => {
    for (const box of form.querySelectorAll("[data-chart]")) CHARTS[box.dataset.chart](box, family, chosen);
  };
  const drawAll = () => {
    const chosen = chosenIn(form, family);
    const tests = family.tests.get(keyOf(chosen.shots, chosen.metric)) ?? [];
    const words = {
      metric: given.metrics[chosen.metric].title, dataset: datasetTitle(family, chosen.dataset),
      tests: counted(tests[0]?.tests ?? 0, "test"),
    };
    for (const element of form.querySelectorAll("[data-tell]")) element.textContent = words[element.dataset.tell];
    drawScores(form.querySelector("table.scores"), family, chosen);
    drawTests(form.querySelector("table.tests"), family, chosen);
    drawCharts(chosen);
  };
  for (const details of form.querySelectorAll("[data-fill]")) {
    details.addEventListener("toggle", () => FILL[details.dataset.fill](details, family), { once: true });
  }
  form.addEventListener("change", drawAll);
  legend.addEventListener("change", drawAll);
  form.addEventListener("submit", event => event.preventDefault());
  drawAll();
  let width = form.clientWidth;
  new ResizeObserver(() => {
    if ([0, width].includes(form.clientWidth)) return;  // what is hidden has no width
    width = form.clientWidth;
    drawCharts(chosenIn(form, family));
  }).observe(form);
}
for (const chip of legend.querySelectorAll("[data-mark]")) {
  chip.append(markOf(chip.dataset.mark, 0, 0, flagged.has(chip.dataset.mark)));
}
