// Looking closer at the parts of a result: by pointing, by tapping, by arrow keys. What there is to say of a part stands
// in a small panel beside it; who walks by keyboard has it said as well.

import { el, percent } from "./dom.js";

const MARGIN = 8; // pixels between a part and its panel
const REACH = 20; // pixels: a tap this near to a part means it

/**
 * Let the parts of `area` that match `selector` be looked at. `describe(part)` gives {title, note, rows: [{label, p,
 * chosen}]} or null; `current(part or null)` is told which one is looked at. Returns {show(part), hide()}.
 */
export function inspect(area, selector, describe, current = () => {}) {
  const panel = el("div", { class: "panel", hidden: true, "aria-hidden": "true" });
  const voice = el("p", { class: "unseen", role: "status" });
  area.closest(".inspected").append(panel, voice);
  let now = null;

  function show(part, spoken = false) {
    hide();
    const about = part && describe(part);
    if (!about) return;
    now = part;
    now.classList.add("current");
    panel.replaceChildren(...content(about));
    panel.hidden = false;
    place(panel, part);
    current(part);
    if (spoken) voice.textContent = inWords(about);
  }

  function hide() {
    now?.classList.remove("current");
    now = null;
    panel.hidden = true;
    current(null);
  }

  const parts = () => [...area.querySelectorAll(selector)];
  const partAt = (event) => event.target.closest?.(selector);
  area.addEventListener("pointerover", (event) => event.pointerType === "mouse" && show(partAt(event)));
  area.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
  area.addEventListener("click", (event) => show(partAt(event) ?? nearest(parts(), event)));
  area.addEventListener("blur", hide);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const next = neighbour(parts(), now, event.key);
    if (!next) return;
    event.preventDefault();
    show(next, true);
    next.scrollIntoView({ block: "nearest" });
  });
  return { show, hide };
}

/** Where a key leads from `now` among `parts`; undefined: nowhere. */
function neighbour(parts, now, key) {
  const at = parts.indexOf(now);
  if (key === "Home") return parts[0];
  if (key === "End") return parts.at(-1);
  if (key === "ArrowRight") return parts[at + 1];
  if (key === "ArrowLeft") return at < 0 ? parts.at(-1) : parts[at - 1];
  if (key === "ArrowDown") return at < 0 ? parts[0] : below(parts.slice(at + 1), now);
  if (key === "ArrowUp") return at < 0 ? undefined : below(parts.slice(0, at).reverse(), now);
}

/** Of the parts that follow in reading order (either way), the nearest on the next line. */
function below(parts, now) {
  const own = now.getBoundingClientRect();
  const boxes = parts.map((part) => part.getBoundingClientRect());
  const middle = (box) => (box.top + box.bottom) / 2;
  const first = boxes.findIndex((box) => box.top > middle(own) || box.bottom < middle(own));
  if (first < 0) return undefined;
  let best = first;
  for (let i = first; i < parts.length && Math.abs(middle(boxes[i]) - middle(boxes[first])) < own.height / 2; i++) {
    if (Math.abs(boxes[i].left - own.left) < Math.abs(boxes[best].left - own.left)) best = i;
  }
  return parts[best];
}

/** The part nearest to where the pointer is, within reach. */
function nearest(parts, { clientX: x, clientY: y }) {
  const beyond = (low, value, high) => Math.max(low - value, 0, value - high);
  const distances = parts.map((part) => {
    const box = part.getBoundingClientRect();
    return Math.hypot(beyond(box.left, x, box.right), beyond(box.top, y, box.bottom));
  });
  const least = distances.reduce((a, b) => Math.min(a, b), Infinity);
  return least <= REACH ? parts[distances.indexOf(least)] : null;
}

function content({ title, note, rows = [] }) {
  const list = rows.map(({ label, p, chosen }) => el("li", { class: chosen && "chosen" }, ...bar(label, p)));
  return [el("strong", {}, title), ...(note ? [el("span", {}, note)] : []), ...(list.length ? [el("ol", { class: "choices" }, ...list)] : [])];
}

/** What a row of `choices` holds: what it is, a bar as long as it is likely, the figure. */
export function bar(label, p) {
  const fill = el("span", { class: "fill" });
  fill.style.inlineSize = `${100 * p}%`;
  return [el("span", { class: "what" }, label), el("span", { class: "track" }, fill), el("span", { class: "share" }, percent(p))];
}

function inWords({ title, note, rows = [] }) {
  return [title, note, ...rows.map(({ label, p }) => `${label} ${percent(p)}`)].filter(Boolean).join(", ");
}

/** Below the part, or above where there is no room; inside the area from side to side. */
function place(panel, part) {
  const whole = panel.parentElement.getBoundingClientRect();
  const box = part.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const left = Math.max(0, Math.min(box.left + box.width / 2 - width / 2, whole.right - width) - whole.left);
  const fits = box.bottom + MARGIN + height < innerHeight || box.top < height + MARGIN;
  const top = fits ? box.bottom + MARGIN : box.top - height - MARGIN;
  panel.style.left = `${left}px`;
  panel.style.top = `${top - whole.top}px`;
}
