// The table of all rows: a click on a column's head sorts the rows of each group, and a button copies a row's command.
"use strict";
const table = document.querySelector("table.every-row");
const UNITS = { h: 3600, min: 60, s: 1 };

function value(cell) {
  const text = cell.textContent.trim();
  const parts = [...text.matchAll(/([\d.]+) (h|min|s)\b/g)];
  if (parts.length) return parts.reduce((sum, [, count, unit]) => sum + count * UNITS[unit], 0);
  const number = parseFloat(text.replace(/,/g, ""));
  return cell.classList.contains("number") ? number : text;
}

// Less than, equal or greater than zero; what has no value comes last in either direction.
function compare(first, second, direction) {
  const missing = [first, second].map((found) => Number.isNaN(found) || found === "–");
  if (missing[0] || missing[1]) return missing[0] - missing[1];
  return direction * (typeof first === "string" ? first.localeCompare(second) : first - second);
}

function sort(head, column) {
  const down = head.getAttribute("aria-sort") !== "descending" && column > 0;
  const direction = down || head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction < 0 ? "descending" : "ascending");
  for (const body of table.tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
    rows.sort((a, b) => compare(value(a.cells[column]), value(b.cells[column]), direction));
    body.append(...rows);
  }
}

async function copy(button, code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "copied";
  } catch { // the page may not write to the clipboard: the command is marked, to be copied by hand
    getSelection().selectAllChildren(code);
    button.textContent = "marked";
  }
  setTimeout(() => { button.textContent = "copy"; }, 2000);
}

if (table) {
  [...table.tHead.rows[0].cells].slice(0, -1).forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    button.title = "Sort the rows of each group";
    button.addEventListener("click", () => sort(head, column));
    head.append(button);
  });
  for (const code of table.querySelectorAll("td.command code")) {
    const button = document.createElement("button");
    button.textContent = "copy";
    button.addEventListener("click", () => copy(button, code));
    code.after(" ", button);
  }
}
