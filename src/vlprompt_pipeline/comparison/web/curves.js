// Scores against the number of shots: a line through the means in a band of one standard deviation.
const drawCurves = (box, family, chosen) => {
  const curves = chosen.methods.map(method => ({
    method, marks: family.shots.map(shots => valueOf(family, { ...chosen, shots }, { method })).filter(Boolean),
  })).filter(curve => curve.marks.length);
  if (!curves.length) return nothingIn(box);
  const width = box.clientWidth, height = 340, named = width >= 460;
  const room = named ? 16 + 6.6 * Math.max(...curves.map(curve => titleOf(curve.method).length)) : 14;
  const frame = { left: 44, top: 30, right: width - room, bottom: height - 46 };
  const x = scaleOf([family.shots[0], family.shots.at(-1)], [frame.left + 12, frame.right - 8], Math.log2);
  const svg = canvasOf(width, height, "Score against shots; the numbers are in the table.");
  box.replaceChildren(svg);
  const up = axesOf(svg, {
    frame, x, y: String, yLimits: limitsOf(curves.flatMap(curve => curve.marks.flatMap(reach))), yLabel: yLabelOf(chosen),
    xTicks: family.shots.map(shots => [shots, String(shots)]), xLabel: "shots a class (logarithmic)",
  });
  for (const { method, marks } of curves) {
    const { colour } = given.methods[method], at = mark => x(mark.row.shots);
    const edge = [...marks.map(mark => [at(mark), up(reach(mark)[1])]), ...[...marks].reverse().map(mark => [at(mark), up(reach(mark)[0])])];
    svg.append(draw("path", { class: "band", d: `M${edge.map(point => point.join(" ")).join(" L")}Z`, style: `fill:${colour}` }));
    svg.append(draw("path", { class: "curve", d: `M${marks.map(mark => `${at(mark)} ${up(mark.value)}`).join(" L")}`, style: `stroke:${colour}` }));
    for (const mark of marks) {
      svg.append(telling(draw("g", { class: "told" }, markOf(method, at(mark), up(mark.value), mark.row.flags.length > 0),
        draw("circle", { cx: at(mark), cy: up(mark.value), r: 10, class: "catch" })), () => scoreLines(family, mark.row)));
    }
  }
  if (!named) return;
  let lowest = -Infinity;
  for (const { method, marks } of [...curves].sort((a, b) => b.marks.at(-1).value - a.marks.at(-1).value)) {
    const last = marks.at(-1);
    lowest = Math.max(up(last.value) + 4, lowest + 14);
    svg.append(textOf(frame.right + 6, lowest, titleOf(method), { class: "ink" }));
  }
};
