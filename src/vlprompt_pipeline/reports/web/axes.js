// Scales, ticks and axes.
const scaleOf = ([low, high], [start, end], bend = value => value) => value =>
  start + (end - start) * (bend(value) - bend(low)) / (bend(high) - bend(low) || 1);

// Round numbers from `low` to `high`, about `count` of them.
const ticksOf = (low, high, count) => {
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => +((first + index) * step).toFixed(6));
};

// Ticks with their texts, of as many digits each.
const written = ticks => {
  const digits = Math.max(...ticks.map(tick => (String(tick).split(".")[1] ?? "").length));
  return ticks.map(tick => [tick, tick.toFixed(digits).replace("-", "−")]);
};

// Limits around values with a tenth of room; two points wide at least.
const limitsOf = values => {
  const low = Math.min(...values), high = Math.max(...values);
  const room = Math.max(0.1 * (high - low), (2 - (high - low)) / 2, 0);
  return [low - room, high + room];
};

// An empty figure as wide as its box, and where its axes are; `room` is kept free to their right.
const framed = (box, room, label) => {
  const width = box.clientWidth, height = 340, svg = canvasOf(width, height, label);
  box.replaceChildren(svg);
  return { svg, frame: { left: 44, top: 30, right: width - room, bottom: height - 46 } };
};

// Axes of scores against something: y to the left, x below. Gives the scale of the scores.
const axesOf = (svg, { frame, x, xTicks, yLimits, xLabel, yLabel }) => {
  const { left, top, right, bottom } = frame;
  const up = scaleOf(yLimits, [bottom, top]);
  for (const [at, text] of written(ticksOf(...yLimits, (bottom - top) / 40))) {
    svg.append(lineOf(left, up(at), right, up(at), "grid"));
    svg.append(textOf(left - 6, up(at) + 4, text, { class: "end" }));
  }
  for (const [at, text] of xTicks) {
    svg.append(lineOf(x(at), bottom, x(at), bottom + 4, "axis"));
    svg.append(textOf(x(at), bottom + 18, text, { class: "middle" }));
  }
  svg.append(lineOf(left, bottom, right, bottom, "axis"));
  svg.append(textOf((left + right) / 2, bottom + 38, xLabel, { class: "middle ink" }));
  svg.append(textOf(4, top - 12, yLabel, { class: "ink" }));
  return up;
};

// What figures of scores share: how far the seeds reach, the name of the axis, and having nothing.
const reach = ({ row, value }) => [value - (row.std ?? 0), value + (row.std ?? 0)];
const yLabelOf = chosen =>
  given.metrics[chosen.metric].title +
    (chosen.show === "difference" ? ", against zero-shot (points)" : ` (${given.metrics[chosen.metric].unit})`);
const nothingIn = box =>
  box.replaceChildren(make("p", { class: "small" }, "There is nothing to draw for this choice."));
