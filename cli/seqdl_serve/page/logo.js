// Sequence logos: at each place a stack as high as what it tells (bits), each base as high as its share.

import { el, svg } from "./dom.js";
import { LETTERS } from "./glyphs.js";

const BASES = "ACGT";
const HEIGHT = 150; // pixels for 2 bits
const [LEFT, TOP, BOTTOM] = [40, 8, 24];
const [NARROWEST, WIDEST] = [12, 38]; // of a column
const SMALLEST = 0.5; // pixels: lower letters are not drawn

/** How often each base stands at each place of aligned sequences: arrays of four. */
export function counts(sequences) {
  const found = Array.from({ length: sequences[0]?.length ?? 0 }, () => [0, 0, 0, 0]);
  for (const sequence of sequences) {
    for (let i = 0; i < found.length; i++) {
      const base = BASES.indexOf(sequence[i]);
      if (base >= 0) found[i][base]++;
    }
  }
  return found;
}

/** The height of each base in bits: its share of 2 - entropy - the correction for few sequences (Schneider 1986). */
export function heights(column) {
  const total = column.reduce((sum, count) => sum + count, 0);
  if (!total) return [0, 0, 0, 0];
  const shares = column.map((count) => count / total);
  const entropy = -shares.reduce((sum, p) => sum + (p ? p * Math.log2(p) : 0), 0);
  const information = Math.max(0, 2 - entropy - 3 / (2 * Math.LN2 * total));
  return shares.map((p) => p * information);
}

/** The picture. `labels` stand below the columns; `width` is what there is room for. */
export function logo(sequences, labels, width) {
  const columns = counts(sequences).map(heights);
  const step = Math.min(WIDEST, Math.max(NARROWEST, (width - LEFT - 8) / columns.length));
  const wide = LEFT + step * columns.length + 8;
  const tall = TOP + HEIGHT + BOTTOM;
  const picture = svg("svg", { class: "logo", width: wide, height: tall, viewBox: `0 0 ${wide} ${tall}`, role: "img", "aria-label": inWords(columns, labels) });
  picture.append(...axis(wide), ...columns.flatMap((column, i) => stack(column, LEFT + i * step, step)));
  const every = step * 1.1 < 7 * Math.max(...labels.map((label) => String(label).length)) ? 2 : 1;
  labels.forEach((label, i) => {
    if (i % every === 0) picture.append(svg("text", { x: LEFT + (i + 0.5) * step, y: tall - 7, "text-anchor": "middle" }, label));
  });
  return el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Sequence logo" }, picture);
}

function stack(column, x, step) {
  const order = [0, 1, 2, 3].sort((a, b) => column[a] - column[b]);
  let bottom = TOP + HEIGHT;
  const letters = [];
  for (const base of order) {
    const height = (column[base] / 2) * HEIGHT;
    bottom -= height;
    if (height < SMALLEST) continue;
    const place = `translate(${x + 0.04 * step} ${bottom}) scale(${0.92 * step} ${height})`;
    letters.push(svg("path", { d: LETTERS[BASES[base]], class: `base ${BASES[base]}`, transform: place }));
  }
  return letters;
}

function axis(width) {
  return [0, 1, 2].flatMap((bits) => {
    const y = TOP + HEIGHT * (1 - bits / 2);
    return [svg("line", { class: bits ? "grid" : "axis", x1: LEFT - 4, x2: width - 8, y1: y, y2: y }), svg("text", { x: LEFT - 9, y: y + 4, "text-anchor": "end" }, bits === 2 ? "2 bits" : bits)];
  });
}

/** The strongest places, for who does not see the picture. */
function inWords(columns, labels) {
  const told = columns.map((column, i) => {
    const best = column.indexOf(Math.max(...column));
    return { base: BASES[best], label: labels[i], bits: column.reduce((sum, height) => sum + height, 0) };
  });
  const strong = told.filter(({ bits }) => bits >= 0.5).map(({ base, label, bits }) => `${base} at ${label} (${bits.toFixed(1)} bits)`);
  return strong.length ? `Logo: ${strong.join(", ")}` : "Logo: no place tells much";
}
