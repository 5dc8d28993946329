// Building elements. Text only ever becomes text, never markup: prompts, names of files and of sequences are hostile.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element with attributes (a function is a listener, false and null are left out) and children. */
export const el = (name, attributes, ...children) =>
  filled(document.createElement(name), attributes, children);

/** The same of SVG. */
export const svg = (name, attributes, ...children) =>
  filled(document.createElementNS(SVG, name), attributes, children);

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Whether a button does anything. It keeps the focus, which a disabled one would lose. */
export const enable = (button, is) => button.setAttribute("aria-disabled", !is);

/** Scroll to an element that begins below what can be seen, or nearly so: on a phone results are below the settings. */
export function bringIntoView(element) {
  if (element.getBoundingClientRect().top > 0.7 * innerHeight) element.scrollIntoView({ block: "start" });
}

/** "12,345": digits in groups. */
export const grouped = (number) => number.toLocaleString("en");

/** "1 hit", "12,345 hits". */
export const counted = (number, one, many = `${one}s`) => `${grouped(number)} ${number === 1 ? one : many}`;

/** A probability in per cent, never rounded to a certainty that it is not. */
export function percent(p) {
  if (p >= 0.9995 && p < 1) return ">99.9%";
  if (p > 0 && p < 0.0005) return "<0.1%";
  return `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)}%`;
}

/** A character so that it can be seen: a blank, an end of line, none at all. */
export function visible(character) {
  return { " ": "space", "\n": "line end", "\t": "tab", "\r": "return", "": "none" }[character] ?? character;
}
