const table = document.getElementById("sorted");
const body = table.tBodies[0];
const heads = [...table.tHead.rows[0].cells];
const names = new Intl.Collator("en", { numeric: true });
const value = (row, place) => {
  const cell = row.cells[place];
  if (cell.dataset.v !== undefined) return cell.dataset.v === "" ? null : Number(cell.dataset.v);
  return cell.querySelector(".none") ? null : cell.textContent.trim();
};
const compare = (a, b) => (typeof a === "string" ? names.compare(a, b) : a - b);
heads.forEach((head, place) => {
  head.querySelector("button").addEventListener("click", () => {
    const before = head.getAttribute("aria-sort");
    const up = before ? before === "descending" : body.rows[0].cells[place].dataset.v === undefined;
    const rows = [...body.rows].map((row) => [value(row, place), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return up ? compare(a, b) : compare(b, a);
    });
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...rows.map(([, row]) => row));
  });
});
const wanted = document.getElementById("wanted");
const left = document.getElementById("left");
wanted.addEventListener("input", () => {
  const words = wanted.value.toLowerCase();
  for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(words);
  const shown = [...body.rows].filter((row) => !row.hidden).length;
  left.textContent = words ? `${shown} of ${body.rows.length}` : "";
});
wanted.closest("label").hidden = false;
