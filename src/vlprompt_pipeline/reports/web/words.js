// How figures are written, as in the other reports.
const NONE = "–";
// Python writes an exact half with the even digit, a browser with the larger one: 65.25 is 65.2.
const fixed = (value, digits) => {
  const falls = Math.abs(value) * 2 ** (digits + 1) % 4 === 1;
  return (falls ? value - Math.sign(value) * 1e-9 : value).toFixed(digits);
};
const oneDecimal = value => value === null ? NONE : fixed(value, 1);
const twoDecimals = value => value === null ? NONE : fixed(value, 2);
const signed = value => {
  if (value === null) return NONE;
  const text = fixed(Math.abs(value), 1);
  return text === "0.0" ? text : (value < 0 ? "−" : "+") + text;
};
const isSpread = row => row.n_seeds > 1 && row.std !== null;
const plusMinus = row => isSpread(row) ? `${oneDecimal(row.mean)} ± ${oneDecimal(row.std)}` : oneDecimal(row.mean);
const pValue = value => value < 0.001 ? "< 0.001" : fixed(value, 3);
const bytes = count => {
  for (const [factor, unit] of [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]]) {
    if (count >= factor) return `${fixed(count / factor, count < 99.95 * factor ? 1 : 0)} ${unit}`;
  }
  return `${Math.round(count)} B`;
};
const whole = count => count.toLocaleString("en");
const counted = (count, noun) => `${whole(count)} ${noun}${count === 1 ? "" : "s"}`;
const shotsText = shots => shots === 1 ? "1 shot" : `${shots} shots`;

// What is told of a score on demand, a line each; the first is a heading.
const scoreLines = (family, row) => {
  const where = `${titleOf(family, row.method)}, ${datasetTitle(family, row.dataset)}`;
  const lines = [`${where}: ${given.metrics[row.metric].title}`];
  const sample = row.std * Math.sqrt(row.n_seeds / (row.n_seeds - 1));
  const spread = ` ± ${twoDecimals(row.std)} (of the population; sample: ${twoDecimals(sample)})`;
  const shots = family.curves ? `, ${shotsText(row.shots)}` : "";
  const score = `${twoDecimals(row.mean)} ${given.metrics[row.metric].unit}${isSpread(row) ? spread : ""}`;
  lines.push(`${score}, ${row.seeds}${shots}`);
  if (row.low !== null) lines.push(`95 % interval ${twoDecimals(row.low)} to ${twoDecimals(row.high)}`);
  for (const caveat of row.caveats) lines.push(`Caveat: ${caveat}`);
  if (row.images) lines.push(`${whole(row.images)} test images`);
  if (row.published !== null) {
    const sides = { yes: "inside the stated variation", no: "outside the stated variation" };
    const stated = row.published_std === null ? "" : ` ± ${twoDecimals(row.published_std)}`;
    const side = sides[row.inside] ?? "no variation stated";
    lines.push(`Published: ${twoDecimals(row.published)}${stated}; ours ${signed(row.mean - row.published)}, ${side}`);
    lines.push(`Source: ${row.published_source}`);
    for (const flag of row.published_flags) lines.push(`Published figure ${flag}: ${given.flags[flag]}`);
  }
  for (const flag of row.flags) lines.push(`${flag}: ${given.flags[flag]}`);
  return lines;
};

const testLines = (family, row) => [
  `${titleOf(family, row.method)} against ${titleOf(family, row.against)}, ` +
    `${datasetTitle(family, row.dataset)}: ${row.verdict}`,
  `${given.metrics[row.metric].title} ${signed(row.difference)}` +
    (row.low === null ? "" : `, 95 % interval ${signed(row.low)} to ${signed(row.high)}`),
  `p ${pValue(row.p_value)}, ${pValue(row.p_holm)} after Holm’s correction for ` +
    `${counted(row.tests, "test")} (${row.test})`,
];
const missingLines = (family, chosen, what) => [
  `${titleOf(family, what.method)}, ${datasetTitle(family, what.dataset)}: no figure`,
  ...(isAverage(what.dataset) ? ["It has not all of the datasets."] : []),
  ...missingOf(family, chosen, what).map(cell => `Missing ${cell.seeds}: ${cell.reason}`),
];
