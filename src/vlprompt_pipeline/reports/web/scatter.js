// Marks of methods against two axes: score against size with the Pareto front, new against base.
const SIZES = {
  trainable_parameters: {
    name: "trained parameters",
    text: size => size >= 1e6 ? `${size / 1e6} M` : size >= 1e3 ? `${size / 1e3} k` : String(size),
  },
  file_bytes: { name: "bytes of the file that ships", text: size => bytes(size).replace(".0 ", " ") },
};

// Those that no other mark equals with a smaller size; the smallest first.
const frontOf = (marks, lower) => {
  const front = [], sign = lower ? -1 : 1;
  for (const mark of [...marks].sort((a, b) => a.size - b.size || sign * (b.value - a.value))) {
    if (!front.length || sign * mark.value > sign * front.at(-1).value) front.push(mark);
  }
  return front;
};

// A logarithmic scale; what has no size stands apart on the left.
const sizeScale = (sizes, frame, text) => {
  const logs = sizes.filter(size => size > 0).map(Math.log10);
  const some = logs.length ? [Math.min(...logs), Math.max(...logs)] : [0, 1];
  const apart = logs.length < sizes.length, start = frame.left + (apart ? 44 : 16);
  const log = scaleOf(some, [start, frame.right - 16]);
  const x = size => size > 0 ? log(Math.log10(size)) : frame.left + 14;
  const decades = ticksOf(some[0] - 1, some[1] + 1, Math.min(6, (frame.right - frame.left) / 60));
  const within = some[1] - some[0] > 1.5 ? [1] : [1, 2, 5];  // a narrow range may hold no power of ten
  const round = decades.filter(Number.isInteger).flatMap(power => within.map(step => step * 10 ** power))
    .filter(size => x(size) >= start - 12 && x(size) <= frame.right);
  return { x, xTicks: [...(apart ? [[0, "none"]] : []), ...round.map(size => [size, text(size)])] };
};

// A mark with bars through it, which tells the lines on demand.
const markWith = (svg, { row, at, bars }, lines) => {
  const colour = `stroke:${colourOf(row.method)}`;
  svg.append(telling(draw("g", { class: "told" },
    ...bars.map(path => draw("path", { d: path, style: colour })),
    markOf(row.method, ...at, row.flags.length > 0),
    draw("circle", { cx: at[0], cy: at[1], r: 11, class: "catch" }),
  ), lines));
};

const drawSizes = (box, family, chosen) => {
  const marks = chosen.methods.flatMap(method => {
    const score = valueOf(family, chosen, { method }), sizes = family.sizeOf.get(method);
    return score ? [{ ...score, sizes, size: sizes[chosen.size] }] : [];
  });
  if (!marks.length) return nothingIn(box);
  const { svg, frame } = framed(box, 26, "Score against size; the numbers are in the tables.");
  const { name, text } = SIZES[chosen.size];
  const { x, xTicks } = sizeScale(marks.map(mark => mark.size), frame, text);
  const up = axesOf(svg, {
    frame, x, xTicks, xLabel: `${name} (logarithmic)`,
    yLimits: limitsOf(marks.flatMap(reach)), yLabel: yLabelOf(chosen),
  });
  const steps = frontOf(marks, given.metrics[chosen.metric].lower).map(mark => [x(mark.size), up(mark.value)]);
  const path = steps.map(([right, y], index) => index ? `H${right} V${y}` : `M${right} ${y}`);
  svg.append(draw("path", { class: "front", d: path.join(" ") }));
  for (const mark of marks) {
    const [low, high] = reach(mark).map(up), at = [x(mark.size), up(mark.value)];
    const ships = `${whole(mark.sizes.trainable_parameters)} trained parameters, file ${bytes(mark.sizes.file_bytes)}`;
    markWith(svg, { row: mark.row, at, bars: [`M${at[0]} ${low} V${high}`] },
      () => [...scoreLines(family, mark.row), ships]);
  }
};

// New against base accuracy, each seed and their means, with curves of equal H.
const drawHalves = (box, family, chosen) => {
  const marks = chosen.methods.flatMap(method => {
    const base = scoreOf(family, chosen, { method, metric: "base" });
    const other = scoreOf(family, chosen, { method, metric: "new" });
    return base && other ? [{ base, other }] : [];
  });
  if (!marks.length) return nothingIn(box);
  const { svg, frame } = framed(box, 34, "New against base accuracy; the numbers are in the table.");
  const reachOf = row => [row.mean - (row.std ?? 0), row.mean + (row.std ?? 0), ...row.per_seed];
  const limits = limitsOf(marks.flatMap(mark => reachOf(mark.base)));
  const x = scaleOf(limits, [frame.left, frame.right]);
  const yLimits = limitsOf(marks.flatMap(mark => reachOf(mark.other)));
  const up = axesOf(svg, {
    frame, x, xTicks: written(ticksOf(...limits, (frame.right - frame.left) / 60)),
    xLabel: "accuracy on base classes (%)", yLimits, yLabel: "New classes (%)",
  });
  const spans = limits[1] - limits[0] + yLimits[1] - yLimits[0];
  const step = [1, 2, 5, 10, 20, 50].find(size => spans / size <= 12) ?? 100;
  for (let h = step; h < 100; h += step) {
    const points = Array.from({ length: 61 }, (_, index) => limits[0] + (limits[1] - limits[0]) * index / 60)
      .map(base => [base, h * base / (2 * base - h)])
      .filter(([base, other]) => 2 * base > h && other >= yLimits[0] && other <= yLimits[1]);
    if (points.length < 6) continue;
    svg.append(draw("path", { class: "grid", d: pathOf(points.map(([base, other]) => [x(base), up(other)])) }));
    const [base, other] = points.at(-1);
    svg.append(textOf(x(base) + 3, Math.min(up(other) + 4, frame.bottom - 4), `H ${h}`));
  }
  for (const { base, other } of marks) {
    const fill = `fill:${colourOf(base.method)}`;
    base.per_seed.forEach((value, index) => {
      svg.append(draw("circle", { cx: x(value), cy: up(other.per_seed[index]), r: 2.2, class: "seed", style: fill }));
    });
    const at = [x(base.mean), up(other.mean)], [b, n] = [base.std ?? 0, other.std ?? 0];
    const bars = [
      `M${x(base.mean - b)} ${at[1]} H${x(base.mean + b)}`,
      `M${at[0]} ${up(other.mean - n)} V${up(other.mean + n)}`,
    ];
    markWith(svg, { row: base, at, bars }, () => [...scoreLines(family, base), ...scoreLines(family, other)]);
  }
};
