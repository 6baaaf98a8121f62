// Scores against the number of shots: a line through the means in a band of one standard deviation.
const drawCurves = (box, family, chosen) => {
  const curves = chosen.methods.map(method => ({
    method,
    marks: family.shots.map(shots => valueOf(family, { ...chosen, shots }, { method })).filter(Boolean),
  })).filter(curve => curve.marks.length);
  if (!curves.length) return nothingIn(box);
  const { svg, frame } = framed(box, 14, "Score against shots; the numbers are in the table.");
  const ends = [family.shots[0], family.shots.at(-1)];
  const x = scaleOf(ends, [frame.left + 12, frame.right - 8], Math.log2);
  const up = axesOf(svg, {
    frame, x, xTicks: family.shots.map(shots => [shots, String(shots)]), xLabel: "shots a class (logarithmic)",
    yLimits: limitsOf(curves.flatMap(curve => curve.marks.flatMap(reach))), yLabel: yLabelOf(chosen),
  });
  for (const { method, marks } of curves) {
    const colour = colourOf(method);
    const along = height => marks.map(mark => [x(mark.row.shots), up(height(mark))]);
    const edge = [...along(mark => reach(mark)[0]), ...along(mark => reach(mark)[1]).reverse()];
    svg.append(draw("path", { class: "band", d: `${pathOf(edge)}Z`, style: `fill:${colour}` }));
    svg.append(draw("path", { class: "curve", d: pathOf(along(mark => mark.value)), style: `stroke:${colour}` }));
    for (const { row, value } of marks) {
      markWith(svg, { row, at: [x(row.shots), up(value)], bars: [] }, () => scoreLines(family, row));
    }
  }
};
