// Scores against the size of what was trained or ships, with the Pareto front.
const SIZES = { trainable_parameters: "trained parameters", file_bytes: "bytes of the file that ships" };

// Those that no other is as small as and as good; the smallest first.
const frontOf = (marks, lower) => {
  const front = [], sign = lower ? -1 : 1;
  for (const mark of [...marks].sort((a, b) => a.size - b.size || sign * (b.value - a.value))) {
    if (!front.length || sign * mark.value > sign * front.at(-1).value) front.push(mark);
  }
  return front;
};

const drawSizes = (box, family, chosen) => {
  const marks = chosen.methods.flatMap(method => {
    const found = valueOf(family, chosen, { method }), size = family.sizeOf.get(method)?.[chosen.size] ?? null;
    return found && size !== null ? [{ ...found, size, method }] : [];
  });
  if (!marks.length) return nothingIn(box);
  const width = box.clientWidth, height = 340, frame = { left: 44, top: 30, right: width - 14, bottom: height - 46 };
  const sizes = marks.map(mark => mark.size).filter(size => size > 0);
  const least = Math.min(...sizes, 1e12), most = Math.max(...sizes, 1);
  const hasNone = marks.some(mark => mark.size === 0), start = frame.left + (hasNone ? 44 : 16);
  const log = scaleOf([Math.log10(Math.min(least, most)), Math.log10(most)], [start, frame.right - Math.min(90, width / 5)]);
  const x = size => size > 0 ? log(Math.log10(size)) : frame.left + 14;
  const powers = ticksOf(Math.log10(Math.min(least, most)) - 0.3, Math.log10(most) + 0.3, Math.min(6, width / 80))
    .filter(Number.isInteger).map(power => 10 ** power).filter(size => x(size) >= start - 12 && x(size) <= frame.right);
  const sizeText = chosen.size === "file_bytes" ? bytes : size => size >= 1e6 ? `${size / 1e6} M` : size >= 1e3 ? `${size / 1e3} k` : `${size}`;
  const svg = canvasOf(width, height, "Score against size; the numbers are in the tables.");
  box.replaceChildren(svg);
  const up = axesOf(svg, {
    frame, x, y: String, yLimits: limitsOf(marks.flatMap(reach)), yLabel: yLabelOf(chosen),
    xTicks: [...(hasNone ? [[0, "none"]] : []), ...powers.map(size => [size, sizeText(size)])],
    xLabel: `${SIZES[chosen.size]} (logarithmic)`,
  });
  const steps = frontOf(marks, given.metrics[chosen.metric].lower).map(mark => [x(mark.size), up(mark.value)]);
  svg.append(draw("path", { class: "front", d: steps.map(([right, y], place) => place ? `H${right} V${y}` : `M${right} ${y}`).join(" ") }));
  const lines = steps.slice(1).flatMap(([right, y], place) => {
    const [left, before] = steps[place];
    return [[left, before, right, before], [right, Math.min(before, y), right, Math.max(before, y)]];
  });
  for (const mark of marks) {
    const [low, high] = reach(mark), group = telling(draw("g", { class: "told" }), () =>
      [...scoreLines(family, mark.row), `${whole(family.sizeOf.get(mark.method).trainable_parameters)} trained parameters, file ${bytes(family.sizeOf.get(mark.method).file_bytes)}`]);
    group.append(draw("path", { d: `M${x(mark.size)} ${up(low)} V${up(high)}`, style: `stroke:${given.methods[mark.method].colour}` }));
    group.append(markOf(mark.method, x(mark.size), up(mark.value), mark.row.flags.length > 0));
    group.append(draw("circle", { cx: x(mark.size), cy: up(mark.value), r: 11, class: "catch" }));
    svg.append(group);
  }
  nameMarks(svg, marks.map(mark => ({ x: x(mark.size), y: up(mark.value), name: titleOf(mark.method) })), frame, lines);
};
