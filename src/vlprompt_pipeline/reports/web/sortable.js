// Press a heading: the rows go by its column; once more: the other way round. No value comes last.
const sortRows = (header, order) => {
  const table = header.closest("table"), body = table.tBodies[0];
  const numeric = header.querySelector("button").dataset.kind === "number";
  const sign = order === "ascending" ? 1 : -1;
  const value = row => row.cells[header.cellIndex].dataset.value ?? row.cells[header.cellIndex].textContent;
  const compare = (first, second) => {
    if (!numeric) return sign * value(first).localeCompare(value(second), undefined, { numeric: true });
    const [x, y] = [parseFloat(value(first)), parseFloat(value(second))];
    return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : sign * (x - y);
  };
  for (const other of table.tHead.rows[0].cells) other.ariaSort = "none";
  header.ariaSort = order;
  body.append(...[...body.rows].sort(compare));
};
document.addEventListener("click", event => {
  const button = event.target.closest("table.sortable th button");
  if (!button) return;
  const header = button.closest("th");
  const [first, second] = button.dataset.kind === "number" ? ["descending", "ascending"] : ["ascending", "descending"];
  sortRows(header, header.ariaSort === first ? second : first);
});
