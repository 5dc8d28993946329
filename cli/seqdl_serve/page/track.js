// A track: one sequence from left to right, hits on the strand given above its axis, those on the other below.

import { counted, el, enable, grouped, svg } from "./dom.js";
import { look } from "./glyphs.js";
import { inspect } from "./inspect.js";

const [LEFT, RIGHT] = [30, 12]; // pixels
const LANE = 46;
const BAND = 24; // the axis between the lanes
const HEAD = 8; // for the marks of the highest
const CLOSEST = 30; // bases, the nearest zoom
const LETTER = 9; // pixels a base needs to be written
const TICK_ROOM = 90;
const HEIGHT = 2 * (HEAD + LANE) + BAND;

/** `about`: {name, length, bases (or undefined)}. `scale`: {top: best score, kinds: [names], describe(hit)}. */
export class Track {
  constructor(about, scale) {
    Object.assign(this, about, { scale, hits: [], from: 0, to: about.length, most: 500 });
    this.title = el("p", { class: "hint" });
    this.buttons = this.#makeButtons();
    this.picture = el("div", { class: "picture", tabindex: 0, role: "group", "aria-label": `Hits in ${this.name}; walk with the arrow keys` });
    const head = el("div", { class: "headed" }, el("h3", {}, this.name), this.title, el("div", { class: "buttons tiny" }, ...Object.values(this.buttons)));
    this.element = el("section", { class: "track", "aria-label": `Sequence ${this.name}` }, head, el("div", { class: "inspected" }, this.picture));
    this.owners = new WeakMap(); // element -> hit
    this.inspector = inspect(this.picture, ".hit", (part) => scale.describe(this.owners.get(part)));
    this.observer = new ResizeObserver(() => this.width !== this.picture.clientWidth && this.draw());
    this.observer.observe(this.picture);
  }

  /** All hits, in order. `most`: draw no more of those in view. */
  update(hits, most) {
    Object.assign(this, { hits, most });
    const whole = this.to - this.from === this.length;
    this.length = Math.max(this.length, hits.at(-1)?.end ?? 0);
    if (whole) this.to = this.length;
    this.draw();
  }

  /** Go to a hit, with some bases around it, and show what there is to say of it. */
  goTo(hit) {
    this.#view((hit.start + hit.end) / 2, (this.picture.clientWidth - LEFT - RIGHT) / (LETTER + 1)); // bases are written
    this.element.scrollIntoView({ block: "nearest" });
    this.picture.focus({ preventScroll: true });
    const part = [...this.picture.querySelectorAll(".hit")].find((one) => this.owners.get(one) === hit);
    if (part) this.inspector.show(part, true);
  }

  draw() {
    const width = this.picture.clientWidth;
    this.width = width;
    if (!width) return; // hidden
    this.inspector.hide();
    this.across = (place) => LEFT + ((place - this.from) / (this.to - this.from)) * (width - LEFT - RIGHT);
    const seen = this.hits.filter((hit) => hit.end > this.from && hit.start < this.to);
    const drawn = strongest(seen, this.most);
    const picture = svg("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": this.#inWords(seen) });
    picture.append(...this.#frame(width), ...this.#letters(), ...drawn.map((hit) => this.#hit(hit)));
    this.picture.replaceChildren(picture);
    this.#tell(seen.length, drawn.length);
  }

  #tell(seen, drawn) {
    const whole = this.to - this.from >= this.length;
    const part = whole ? counted(this.length, "base") : `bases ${grouped(Math.round(this.from))} to ${grouped(Math.round(this.to))} of ${grouped(this.length)}`;
    const shown = drawn < seen ? `, the best ${grouped(drawn)} drawn` : "";
    this.title.textContent = `${part}, ${counted(seen, "hit")}${shown}`;
    const { out, all, left, right, closer } = this.buttons;
    for (const button of [out, all]) enable(button, !whole);
    enable(left, this.from > 0);
    enable(right, this.to < this.length);
    enable(closer, this.to - this.from > CLOSEST);
  }

  #makeButtons() {
    const button = (sign, words, act) => el("button", { type: "button", "aria-label": `${words}, ${this.name}`, title: words, click: act }, sign);
    const middle = () => (this.from + this.to) / 2;
    const span = () => this.to - this.from;
    return {
      left: button("←", "To the left", () => this.#view(middle() - span() / 2, span())),
      right: button("→", "To the right", () => this.#view(middle() + span() / 2, span())),
      out: button("−", "Zoom out", () => this.#view(middle(), span() * 2)),
      closer: button("+", "Zoom in", () => this.#view(middle(), span() / 2)),
      all: button("All", "The whole sequence", () => this.#view(this.length / 2, this.length)),
    };
  }

  /** Show so many bases about a place, inside the sequence. */
  #view(middle, wanted) {
    const span = Math.min(this.length, Math.max(CLOSEST, Math.round(wanted)));
    this.from = Math.round(Math.max(0, Math.min(middle - span / 2, this.length - span)));
    this.to = this.from + span;
    this.draw();
  }

  #frame(width) {
    const line = (y, style) => svg("line", { class: style, x1: LEFT, x2: width - RIGHT, y1: y, y2: y });
    const word = (x, y, text, anchor) => svg("text", { x, y, "text-anchor": anchor }, text);
    const [upper, lower] = [HEAD + LANE, HEAD + LANE + BAND];
    const strands = [word(14, upper - LANE / 2 + 5, "+", "middle"), word(14, lower + LANE / 2 + 4, "−", "middle")];
    strands.forEach((strand) => strand.setAttribute("class", "strand"));
    const ticks = places(this.from, this.to, Math.max(2, Math.floor(width / TICK_ROOM))).flatMap((place) => {
      const x = this.across(place);
      return [svg("line", { class: "axis", x1: x, x2: x, y1: upper, y2: upper + 4 }), word(x, upper + 16, grouped(place), "middle")];
    });
    return [line(HEAD, "grid"), line(upper, "axis"), line(lower, "axis"), line(lower + LANE, "grid"), ...strands, ...(this.#written() ? [] : ticks)];
  }

  /** Whether there is room to write the bases. */
  #written() {
    return this.bases !== undefined && this.across(1) - this.across(0) >= LETTER;
  }

  #letters() {
    if (!this.#written()) return [];
    const y = HEAD + LANE + BAND / 2 + 4;
    const letter = (base, i) => svg("text", { x: this.across(this.from + i + 0.5), y, "text-anchor": "middle", class: `letter ${"ACGT".includes(base) ? base : ""}` }, base);
    return [...this.bases.slice(this.from, this.to)].map(letter);
  }

  #hit(hit) {
    const up = hit.strand !== "-";
    const base = up ? HEAD + LANE : HEAD + LANE + BAND;
    const height = (Math.max(0, hit.score) / this.scale.top) * LANE;
    const y = up ? base - height : base + height;
    const [left, right] = [this.across(hit.start), this.across(hit.end)];
    const { mark, style } = look(this.scale.kinds.indexOf(hit.name));
    const body = right - left > 3
      ? svg("rect", { x: left, width: right - left, y: Math.min(base, y), height, class: "extent" })
      : svg("line", { x1: (left + right) / 2, x2: (left + right) / 2, y1: base, y2: y });
    const part = svg("g", { class: `hit ${style}` }, body, svg("path", { d: mark, transform: `translate(${(left + right) / 2} ${y})` }));
    this.owners.set(part, hit);
    return part;
  }

  #inWords(seen) {
    const plus = seen.filter((hit) => hit.strand !== "-").length;
    return `${this.name}, ${counted(Math.round(this.to - this.from), "base")}: ${counted(plus, "hit")} on the strand given, ${seen.length - plus} on the other`;
  }
}

/** The best `most` hits, in their old order. */
function strongest(hits, most) {
  if (hits.length <= most) return hits;
  const edge = hits.map((hit) => hit.score).sort((a, b) => b - a)[most - 1];
  return hits.filter((hit) => hit.score >= edge).slice(0, most);
}

/** Round places between two, about as many as wanted. */
function places(from, to, wanted) {
  const rough = (to - from) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max(1, [1, 2, 5, 10].find((factor) => factor * power >= rough) * power);
  const found = [];
  for (let place = Math.ceil(from / step) * step; place <= to; place += step) found.push(place);
  return found;
}
