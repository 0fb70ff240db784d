// Every table of one head row can be sorted (by sortable/, version 4.1.7), a long one filtered. Without scripts all is as it was.
const LONG = 8; // rows

function number(text) {
  const found = text.replaceAll("\u2212", "-").replaceAll(",", "").match(/^-?(\d+(\.\d+)?(e[-+]?\d+)?|\u221e)/);
  return found ? found[0].replace("\u221e", "Infinity") : "";
}

function addFilter(scroll, table) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  const shown = document.createElement("output");
  input.type = "search";
  label.className = "filter";
  label.append("Only rows with ", input, " ", shown);
  scroll.before(label);
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) {
      const names = [...row.querySelectorAll("th, .left")].map((cell) => cell.textContent.toLowerCase());
      row.hidden = !names.some((name) => name.includes(wanted));
    }
    shown.textContent = wanted ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
  });
}

for (const scroll of document.querySelectorAll(".scroll")) {
  const table = scroll.querySelector("table");
  if (table.tHead.rows.length > 1 || table.tBodies[0].rows.length < 3) continue;
  table.classList.add("sortable", "n-last");
  for (const cell of table.tBodies[0].querySelectorAll("td:not(.left)")) cell.dataset.sort = number(cell.textContent.trim());
  if (scroll.classList.contains("tall") && table.tBodies[0].rows.length > LONG) addFilter(scroll, table);
}
