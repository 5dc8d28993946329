// The tool that reads a drawn character: what the network sees of it, and what it takes it for.

import { content, postJson } from "./api.js";
import { byId, el, enable, percent, visible } from "./dom.js";
import { bar } from "./inspect.js";
import { modelFor, onModelChange } from "./models.js";
import { Pad } from "./pad.js";

const PATIENCE = 350; // milliseconds after a stroke
let pad;
let timer;
let stopper;
let last = null; // the answer that is shown

export function startLetter() {
  pad = new Pad(byId("pad"), { changed, said: (words) => (byId("pad-status").textContent = words) });
  byId("pad-undo").addEventListener("click", () => pad.undo());
  byId("pad-clear").addEventListener("click", () => pad.clear());
  document.addEventListener("themechange", () => last && drawSeen(last.seen));
  onModelChange(() => pad.strokes.length && changed());
  showButtons();
  show(null);
}

function changed() {
  const empty = pad.strokes.length === 0;
  showButtons();
  clearTimeout(timer);
  stopper?.abort();
  byId("read-problem").textContent = "";
  if (empty) show(null);
  else timer = setTimeout(ask, PATIENCE);
}

function showButtons() {
  for (const id of ["pad-undo", "pad-clear"]) enable(byId(id), pad.strokes.length > 0);
}

async function ask() {
  stopper = new AbortController();
  const model = modelFor("characters");
  const query = model ? `?model=${encodeURIComponent(model)}` : "";
  try {
    show(await content(await postJson(`v1/classify${query}`, { pixels: pad.pixels() }, stopper.signal)));
  } catch (error) {
    if (error.name !== "AbortError") byId("read-problem").textContent = error.message;
  }
}

function show(answer) {
  last = answer;
  byId("reading-verdict").replaceChildren(...verdict(answer));
  const rows = answer?.alternatives ?? Array(5).fill(["–", 0]);
  byId("reading-choices").replaceChildren(...rows.map(([text, p]) => el("li", {}, ...bar(name(text), p))));
  byId("reading").classList.toggle("empty", !answer);
  drawSeen(answer?.seen);
}

const name = (text) => (text === "" ? "none" : visible(text));

function verdict(answer) {
  if (!answer) return [el("span", { class: "sign" }, "?"), el("span", {}, "Draw one letter or digit.")];
  const { text, confidence, sure, alternatives } = answer;
  if (text === "") return [el("span", { class: "sign" }, "–"), el("span", {}, `No character, ${percent(confidence)}.`)];
  const sign = el("span", { class: `sign${sure ? "" : " unsure"}${text.length > 1 ? " several" : ""}` }, text);
  if (sure) return [sign, el("span", {}, `${text}, ${percent(confidence)} sure.`)];
  const second = alternatives.find(([other]) => other !== text);
  return [sign, el("span", {}, el("strong", {}, "Not sure."), ` It may be ${text}${second ? ` or ${name(second[0])}` : ""}.`)];
}

/** Ink in the page's colours: light on dark as the network has it, in both themes. */
function drawSeen(rows) {
  const canvas = byId("seen");
  const context = canvas.getContext("2d");
  const side = canvas.width;
  const picture = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const ink = rows?.[Math.floor(i / side)]?.[i % side] ?? 0;
    picture.data.set([18 + 0.92 * ink, 24 + 0.9 * ink, 26 + 0.88 * ink, 255], 4 * i);
  }
  context.putImageData(picture, 0, 0);
  canvas.setAttribute("aria-label", rows ? "What the network sees: the drawing in 28 by 28 pixels" : "What the network sees: nothing yet");
}
