
const table = document.getElementById("sorted");
const body = table.tBodies[0];
const value = (row, place) => {
  const cell = row.cells[place];
  return cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v || NaN);
};
const before = (a, b) => {
  if (typeof a === "string") return a.localeCompare(b);
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  return Number.isNaN(b) ? -1 : b - a;
};
[...table.tHead.rows[0].cells].forEach((head, place) => {
  head.querySelector("button").addEventListener("click", () => {
    const turned = head.getAttribute("aria-sort") === "descending";
    const rows = [...body.rows].sort((a, b) => before(value(a, place), value(b, place)));
    if (turned) rows.reverse();
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", turned ? "ascending" : "descending");
    body.append(...rows);
  });
});
const wanted = document.getElementById("wanted");
wanted.addEventListener("input", () => {
  const words = wanted.value.toLowerCase();
  for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(words);
});
wanted.closest("label").hidden = false;
