// Scores against the size of what was trained or of what ships, with the Pareto front.
const SIZES = {
  trainable_parameters: {
    name: "trained parameters",
    text: size => size >= 1e6 ? `${size / 1e6} M` : size >= 1e3 ? `${size / 1e3} k` : String(size),
  },
  file_bytes: { name: "bytes of the file that ships", text: bytes },
};

// Those that no other mark equals with a smaller size; the smallest first.
const frontOf = (marks, lower) => {
  const front = [], sign = lower ? -1 : 1;
  for (const mark of [...marks].sort((a, b) => a.size - b.size || sign * (b.value - a.value))) {
    if (!front.length || sign * mark.value > sign * front.at(-1).value) front.push(mark);
  }
  return front;
};

// A logarithmic scale with room for names to the right; what has no size stands apart on the left.
const sizeScale = (sizes, frame, text) => {
  const logs = sizes.filter(size => size > 0).map(Math.log10);
  const some = logs.length ? [Math.min(...logs), Math.max(...logs)] : [0, 1];
  const apart = logs.length < sizes.length, start = frame.left + (apart ? 44 : 16);
  const end = frame.right - Math.min(90, (frame.right - frame.left) / 5), log = scaleOf(some, [start, end]);
  const x = size => size > 0 ? log(Math.log10(size)) : frame.left + 14;
  const decades = ticksOf(some[0] - 1, some[1] + 1, Math.min(6, (frame.right - frame.left) / 80));
  const within = some[1] - some[0] > 1.5 ? [1] : [1, 2, 5];  // a narrow range may hold no power of ten
  const round = decades.filter(Number.isInteger).flatMap(power => within.map(step => step * 10 ** power))
    .filter(size => x(size) >= start - 12 && x(size) <= frame.right);
  return { x, xTicks: [...(apart ? [[0, "none"]] : []), ...round.map(size => [size, text(size)])] };
};

const drawSizes = (box, family, chosen) => {
  const marks = chosen.methods.flatMap(method => {
    const found = valueOf(family, chosen, { method }), sizes = family.sizeOf.get(method);
    return found && sizes && sizes[chosen.size] !== null ? [{ ...found, sizes, size: sizes[chosen.size] }] : [];
  });
  if (!marks.length) return nothingIn(box);
  const { svg, frame } = framed(box, 14, "Score against size; the numbers are in the tables.");
  const { name, text } = SIZES[chosen.size];
  const { x, xTicks } = sizeScale(marks.map(mark => mark.size), frame, text);
  const up = axesOf(svg, {
    frame, x, xTicks, xLabel: `${name} (logarithmic)`,
    yLimits: limitsOf(marks.flatMap(reach)), yLabel: yLabelOf(chosen),
  });
  const steps = frontOf(marks, given.metrics[chosen.metric].lower).map(mark => [x(mark.size), up(mark.value)]);
  const path = steps.map(([right, y], place) => place ? `H${right} V${y}` : `M${right} ${y}`);
  svg.append(draw("path", { class: "front", d: path.join(" ") }));
  const lines = steps.slice(1).flatMap(([right, y], place) => {
    const [left, before] = steps[place];
    return [[left, before, right, before], [right, Math.min(before, y), right, Math.max(before, y)]];
  });
  for (const mark of marks) {
    const { row, sizes, size, value } = mark, [low, high] = reach(mark);
    const ships = `${whole(sizes.trainable_parameters)} trained parameters, file ${bytes(sizes.file_bytes)}`;
    svg.append(telling(draw("g", { class: "told" },
      draw("path", { d: `M${x(size)} ${up(low)} V${up(high)}`, style: `stroke:${colourOf(row.method)}` }),
      markOf(row.method, x(size), up(value), row.flags.length > 0),
      draw("circle", { cx: x(size), cy: up(value), r: 11, class: "catch" }),
    ), () => [...scoreLines(family, row), ships]));
  }
  const named = marks.map(({ row, size, value }) => ({ x: x(size), y: up(value), name: titleOf(row.method) }));
  nameMarks(svg, named, frame, lines);
};
