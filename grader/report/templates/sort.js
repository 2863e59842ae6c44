// Sorts the table by the column whose head is pressed; pressed again, the other way round.
const table = document.querySelector("table.sortable");
const body = table.tBodies[0];
const value = (row, column) => {
  const cell = row.cells[column];
  const number = cell.dataset.number;
  return number === undefined ? cell.textContent.trim().toLowerCase() : Number(number);
};
for (const head of table.tHead.rows[0].cells) {
  head.querySelector("button").addEventListener("click", () => {
    const falling = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const order = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a, head.cellIndex), value(b, head.cellIndex)];
      return (x > y) - (x < y);
    });
    if (falling) order.reverse();
    body.append(...order);
  });
}
