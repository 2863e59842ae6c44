// Sorts the table by the column whose head is pressed, shows the rows that fit the search and the
// filters, and loads the page anew while a batch goes on.
const table = document.querySelector("table.sortable");
const body = table.tBodies[0];
const fields = [...document.querySelectorAll("[data-filter]")];
const shown = document.querySelector("#shown");
const value = (row, column) => {
  const cell = row.cells[column];
  const number = cell.dataset.number;
  return number === undefined ? cell.textContent.trim().toLowerCase() : Number(number);
};
const sort = (head, falling) => {
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const order = [...body.rows].sort((a, b) => {
    const [x, y] = [value(a, head.cellIndex), value(b, head.cellIndex)];
    return (x > y) - (x < y);
  });
  if (falling) order.reverse();
  body.append(...order);
};
for (const head of table.tHead.rows[0].cells) {
  head.querySelector("button").addEventListener("click", () => {
    sort(head, head.getAttribute("aria-sort") === "ascending");
    remember();
  });
}

// Accents and case do not count: "muller" finds Müller.
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const rows = [...body.rows].map((row) => ({
  row,
  words: plain(`${row.textContent} ${row.dataset.words}`),
  verdict: row.dataset.verdict,
  part: row.dataset.lost.split("|"),
  cause: row.dataset.causes.split("|"),
  person: row.dataset.person,
}));
const fits = (one, name, wanted) => {
  if (name === "find") return wanted.every((word) => one.words.includes(word));
  return Array.isArray(one[name]) ? one[name].includes(wanted) : one[name] === wanted;
};
const filter = () => {
  const asked = fields.filter((field) => field.value.trim()).map((field) => {
    const name = field.dataset.filter;
    return [name, name === "find" ? plain(field.value).split(/\s+/).filter(Boolean) : field.value];
  });
  let count = 0;
  for (const one of rows) {
    const hidden = !asked.every(([name, wanted]) => fits(one, name, wanted));
    if (one.row.hidden !== hidden) one.row.hidden = hidden;
    count += !hidden;
  }
  shown.textContent = `${count} of ${rows.length} shown`;
};

// What is asked is kept in the address, so that it outlives loading anew, and can be sent on.
const remember = () => {
  const state = new URLSearchParams();
  for (const field of fields) if (field.value) state.set(field.dataset.filter, field.value);
  const head = table.querySelector("[aria-sort]");
  if (head) state.set("sort", `${head.cellIndex} ${head.getAttribute("aria-sort")}`);
  history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
};
for (const field of fields) {
  for (const event of ["input", "change"]) {
    field.addEventListener(event, () => {
      filter();
      remember();
    });
  }
}
document.querySelector("#all").addEventListener("click", () => {
  for (const field of fields) field.value = "";
  filter();
  remember();
});
const state = new URLSearchParams(location.hash.slice(1));
for (const field of fields) field.value = state.get(field.dataset.filter) ?? "";
const [column, direction] = (state.get("sort") ?? "").split(" ");
if (direction) sort(table.tHead.rows[0].cells[column], direction === "descending");
filter();

const waiting = document.querySelector("[data-again]");
if (waiting) {
  setInterval(() => {
    if (!fields.includes(document.activeElement)) location.reload();
  }, Number(waiting.dataset.again));
}
