// Small helpers over the document. Whatever comes from the server is set as
// text, never as markup.

export const byId = (id) => document.getElementById(id);

// An element with attributes and children, which are elements or text.
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Writes only what changed: selections and screen readers are left alone.
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// Said aloud by screen readers, shown nowhere.
export function say(text) {
  setText(byId("said"), text);
}

// Of columns {name, title, class, number: bool, header: bool,
// make: (cell) => …, fill: (cell, item) => …}: `make` fills a cell once, `fill`
// each time. (The roles are said because narrow screens lay tables out as
// blocks, which would hide from screen readers that they are tables.)
export class Table {
  #body;
  #columns;
  #rows = new Map();

  constructor(table, columns) {
    this.#body = table.tBodies[0];
    this.#columns = columns;
    table.setAttribute("role", "table");
    const head = table.tHead.rows[0];
    table.tHead.setAttribute("role", "rowgroup");
    this.#body.setAttribute("role", "rowgroup");
    head.setAttribute("role", "row");
    for (const column of columns) {
      head.append(element("th", {
        scope: "col", role: "columnheader", title: column.title,
        class: column.number ? "number" : undefined,
      }, column.name));
    }
  }

  // A row for each item, in this order; rows live as long as their key.
  show(items, keyOf) {
    const focused = document.activeElement;
    const place = this.placeOf(focused);
    const keys = items.map(keyOf);
    const wanted = new Set(keys);
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      row.remove();
      this.#rows.delete(key);
    }
    let next = this.#body.firstElementChild;
    items.forEach((item, i) => {
      const row = this.#rows.get(keys[i]) ?? this.#add(keys[i]);
      if (row === next) {
        next = next.nextElementSibling;
      } else {
        this.#body.insertBefore(row, next);
      }
      this.#columns.forEach((column, j) => column.fill(row.cells[j], item));
    });
    if (!place || focused === document.activeElement) return;
    // A row that moved, or went, has lost the focus.
    if (this.#body.contains(focused)) {
      focused.focus({preventScroll: true});
    } else {
      this.focusAt(place);
    }
  }

  // Where something in the table is: {row, column}; null for what is elsewhere.
  placeOf(inside) {
    const cell = this.#body.contains(inside) ? inside.closest("td, th") : null;
    return cell && {row: cell.parentElement.sectionRowIndex, column: cell.cellIndex};
  }

  // The focus on the control of that column, in that row or the last one; where
  // there is none, on what the table is scrolled by.
  focusAt({row, column}) {
    const rows = this.#body.rows;
    const cell = rows[Math.min(row, rows.length - 1)]?.cells[column];
    const control = cell?.querySelector("button, summary, a") ??
      this.#body.closest("[tabindex]");
    control?.focus({preventScroll: true});
  }

  #add(key) {
    const row = element("tr", {role: "row"});
    for (const column of this.#columns) {
      const cell = element(column.header ? "th" : "td", {
        "role": column.header ? "rowheader" : "cell",
        "scope": column.header ? "row" : undefined,
        "data-name": column.name,
        "class": [column.number ? "number" : "", column.class ?? ""].join(" ").trim(),
      });
      column.make?.(cell);
      row.append(cell);
    }
    this.#rows.set(key, row);
    return row;
  }
}
