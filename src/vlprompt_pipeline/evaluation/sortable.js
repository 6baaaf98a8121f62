for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => {
    const header = button.closest("th"), table = button.closest("table"), body = table.tBodies[0];
    const numeric = button.dataset.kind === "number", column = header.cellIndex;
    const first = numeric ? "descending" : "ascending";
    const order = header.ariaSort === first ? (numeric ? "ascending" : "descending") : first;
    const sign = order === "ascending" ? 1 : -1;
    const value = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const compare = numeric
      ? (a, b) => (parseFloat(value(a)) || 0) - (parseFloat(value(b)) || 0)
      : (a, b) => value(a).localeCompare(value(b));
    for (const other of table.tHead.rows[0].cells) other.ariaSort = "none";
    header.ariaSort = order;
    body.append(...[...body.rows].sort((a, b) => sign * compare(a, b)));
  });
}
