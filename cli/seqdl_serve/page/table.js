// A table that sorts: by the buttons in its head, a page of rows at a time.

import { el, grouped } from "./dom.js";

const PAGE = 50; // rows that one press of "more" adds

/** Columns are {label, of(row), show(row) (text or element, default: of), number (bool)}. */
export class Table {
  constructor(place, caption) {
    this.caption = el("caption", {});
    this.head = el("thead", {});
    this.body = el("tbody", {});
    this.more = el("button", { type: "button", click: () => this.#showMore() });
    const table = el("table", {}, this.caption, this.head, this.body);
    const scroll = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, table);
    place.replaceChildren(scroll, this.more);
    this.reset([]);
  }

  /** Begin anew, with other columns. */
  reset(columns) {
    Object.assign(this, { columns, rows: [], sorted: null, down: false, shown: PAGE });
    this.head.replaceChildren(el("tr", {}, ...columns.map((column) => this.#heading(column))));
    this.draw();
  }

  update(rows, caption) {
    this.rows = rows;
    this.caption.textContent = caption;
    this.draw();
  }

  draw() {
    const rows = this.#ordered().slice(0, this.shown);
    this.body.replaceChildren(...rows.map((row) => el("tr", {}, ...this.columns.map((column) => cell(column, row)))));
    this.more.hidden = this.rows.length <= this.shown;
    this.more.textContent = `Show more: ${grouped(rows.length)} of ${grouped(this.rows.length)} rows are shown`;
  }

  #heading(column) {
    const button = el("button", { type: "button", click: () => this.#sortBy(column, heading) }, column.label);
    const heading = el("th", { scope: "col", "aria-sort": "none", class: column.number && "number" }, button);
    return heading;
  }

  /** By a column: up, then down, then as the rows came. */
  #sortBy(column, heading) {
    const before = this.sorted === column ? (this.down ? "down" : "up") : "none";
    const [sorted, down, word] = { none: [column, false, "ascending"], up: [column, true, "descending"], down: [null, false, "none"] }[before];
    Object.assign(this, { sorted, down });
    for (const other of this.head.querySelectorAll("th")) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", word);
    this.draw();
  }

  #ordered() {
    if (!this.sorted) return this.rows;
    const { of, number } = this.sorted;
    const sign = this.down ? -1 : 1;
    const compare = number ? (a, b) => of(a) - of(b) : (a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0);
    return [...this.rows].sort((a, b) => sign * compare(a, b));
  }

  #showMore() {
    this.shown += PAGE;
    this.draw();
  }
}

const cell = ({ of, show = of, number }, row) => el("td", { class: number && "number" }, show(row) ?? "");
