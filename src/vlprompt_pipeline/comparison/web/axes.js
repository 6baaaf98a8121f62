// Scales, ticks and axes; names beside marks.
const scaleOf = ([low, high], [start, end], bend = value => value) => value =>
  start + (end - start) * (bend(value) - bend(low)) / (bend(high) - bend(low) || 1);

// Round numbers from `low` to `high`, about `count` of them.
const ticksOf = (low, high, count) => {
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => +((first + place) * step).toFixed(6));
};

// Limits around values with a tenth of room; two points wide at least.
const limitsOf = values => {
  const low = Math.min(...values), high = Math.max(...values);
  const room = Math.max(0.1 * (high - low), (2 - (high - low)) / 2, 0);
  return [low - room, high + room];
};

// The axes of a figure of scores against something: y to the left, x below; gives both scales.
const axesOf = (svg, { frame, x, y, xTicks, yLimits, xLabel, yLabel }) => {
  const { left, top, right, bottom } = frame;
  const up = scaleOf(yLimits, [bottom, top]);
  for (const tick of ticksOf(...yLimits, (bottom - top) / 40)) {
    svg.append(lineOf(left, up(tick), right, up(tick), "grid"));
    svg.append(textOf(left - 6, up(tick) + 4, y(tick), { class: "end" }));
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
  given.metrics[chosen.metric].title + (chosen.show === "difference" ? ", against zero-shot (points)" : " (%)");
const nothingIn = box => box.replaceChildren(make("p", { class: "small" }, "There is nothing to draw for this choice."));

// Writes each name beside its mark where it covers no mark, no other name and, if it can be, none of
// the lines; where there is no such place it stays out: the colours are explained above the figures.
const nameMarks = (svg, marks, frame, lines) => {
  const taken = marks.map(({ x, y }) => [x - 7, y - 7, x + 7, y + 7]);
  const apart = (a, b) => a[2] < b[0] || b[2] < a[0] || a[3] < b[1] || b[3] < a[1];
  for (const { x, y, name } of marks) {
    const text = textOf(0, 0, name, { class: "ink" });
    svg.append(text);
    shorten(text, 0.4 * (frame.right - frame.left));
    const width = text.getComputedTextLength();
    const places = [[10, 4], [-10 - width, 4], [-width / 2, -11], [-width / 2, 20], [8, -8], [8, 17], [-8 - width, -8], [-8 - width, 17]];
    const boxOf = ([right, down]) => [x + right, y + down - 11, x + right + width, y + down + 3];
    const isFree = (place, others) => {
      const box = boxOf(place);
      return box[0] >= frame.left && box[2] <= frame.right + 6 && box[1] >= frame.top - 6 && box[3] <= frame.bottom &&
        others.every(other => apart(box, other));
    };
    const free = places.find(place => isFree(place, [...taken, ...lines])) ?? places.find(place => isFree(place, taken));
    if (!free) { text.remove(); continue; }
    text.setAttribute("x", x + free[0]);
    text.setAttribute("y", y + free[1]);
    taken.push(boxOf(free));
  }
};
