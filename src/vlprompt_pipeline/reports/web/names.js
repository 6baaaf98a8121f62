// Names in figures: beside marks, and at the ends of curves.

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
    const sides = [10, -10 - width, -width / 2, 8, -8 - width];
    const places = [[0, 4], [1, 4], [2, -11], [2, 20], [3, -8], [3, 17], [4, -8], [4, 17]]
      .map(([side, down]) => [sides[side], down]);
    const boxOf = ([right, down]) => [x + right, y + down - 11, x + right + width, y + down + 3];
    const isFree = (place, others) => {
      const [left, top, right, bottom] = boxOf(place);
      const across = left >= frame.left && right <= frame.right + 6;
      const upright = top >= frame.top - 6 && bottom <= frame.bottom;
      return across && upright && others.every(other => apart(boxOf(place), other));
    };
    const free = places.find(place => isFree(place, [...taken, ...lines]))
      ?? places.find(place => isFree(place, taken));
    if (!free) { text.remove(); continue; }
    text.setAttribute("x", x + free[0]);
    text.setAttribute("y", y + free[1]);
    taken.push(boxOf(free));
  }
};

// Names to the right of the curves, the highest first, each at least a line below the one before.
const nameEnds = (svg, curves, up, left, room) => {
  let lowest = -Infinity;
  const lastOf = curve => curve.marks.at(-1).value;
  for (const curve of [...curves].sort((a, b) => lastOf(b) - lastOf(a))) {
    lowest = Math.max(up(lastOf(curve)) + 4, lowest + 14);
    const text = textOf(left, lowest, titleOf(curve.method), { class: "ink" });
    svg.append(text);
    shorten(text, room);
  }
};
