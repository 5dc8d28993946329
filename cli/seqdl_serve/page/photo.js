// The tool that reads a photo: boxes over the photo, the text beside it, both tinted by how sure each character is.

import { content, request } from "./api.js";
import { bringIntoView, byId, counted, el, percent, svg, visible } from "./dom.js";
import { takeFiles } from "./drop.js";
import { inspect } from "./inspect.js";
import { modelFor } from "./models.js";
import { copy, download } from "./save.js";

const LEVELS = [0.9, 0.7, 0.5]; // a confidence below each is one level less sure
const LEVEL_NAMES = ["sure", "under 90%", "under 70%", "under 50%"];
const about = new WeakMap(); // element -> {character, twin: its other element}
let stopper = null;
let answer = null;
let name = ""; // of the file that was read
let inText, inPhoto;

export function startPhoto() {
  inText = inspect(byId("photo-text"), ".ch", describe, mark);
  inPhoto = inspect(byId("photo-view"), ".box", describe, mark);
  byId("photo-legend").append("Confidence", ...LEVEL_NAMES.map((words, i) => el("span", { class: "key" }, el("span", { class: `ch u${i}` }, "abc"), ` ${words}`)));
  takeFiles(byId("photo-drop"), byId("photo-file"), read);
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!file || byId("read").hidden) return;
    event.preventDefault();
    read(file);
  });
  byId("photo-copy").addEventListener("click", (event) => copy(event.target, pages().map((page) => page.text).join("\n")));
  byId("photo-json").addEventListener("click", () => download(`${name}.json`, [JSON.stringify(answer, null, 1)], "application/json"));
}

const pages = () => answer.pages.filter((page) => !page.error);
const level = (confidence) => LEVELS.filter((edge) => confidence < edge).length;

async function read(file) {
  stopper?.abort();
  const own = (stopper = new AbortController());
  name = file.name || "photo";
  byId("photo-problem").textContent = "";
  byId("photo-status").textContent = `Reading ${name}…`;
  byId("photo-result").hidden = true;
  try {
    answer = await content(await ask(file, own.signal));
    show(file);
  } catch (error) {
    if (own.signal.aborted) return; // another photo has come
    byId("photo-status").textContent = "";
    byId("photo-problem").textContent = error.message;
  }
}

function ask(file, signal) {
  const query = new URLSearchParams({ format: "json" });
  if (modelFor("characters")) query.set("model", modelFor("characters"));
  const type = file.type.startsWith("image/") ? file.type : "image/x-unknown";
  return request(`v1/ocr?${query}`, { method: "POST", body: file, type, signal });
}

function show(file) {
  const failed = answer.pages.find((page) => page.error);
  if (failed) byId("photo-problem").textContent = failed.error.message;
  byId("photo-status").textContent = pages().length ? summary(pages()) : "";
  if (!pages().length) return;
  inText.hide();
  inPhoto.hide();
  const pairs = pages().map((page) => elements(page));
  byId("photo-text").replaceChildren(...pairs.flatMap((pair) => pair.text));
  byId("photo-view").replaceChildren(photo(file), overlay(pages()[0], pairs[0].boxes));
  byId("photo-result").hidden = false;
  bringIntoView(byId("photo-status"));
}

function photo(file) {
  const address = URL.createObjectURL(file);
  const image = el("img", { src: address, alt: "The photo that was read" });
  image.addEventListener("load", () => URL.revokeObjectURL(address));
  image.addEventListener("error", () => {
    URL.revokeObjectURL(address);
    image.remove(); // a format that the browser cannot show: the boxes remain
  });
  return image;
}

function overlay({ width, height }, boxes) {
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...boxes);
}

/** Of each character of a page a box and a letter: {boxes: [rect], text: [line elements]}. */
function elements(page) {
  const boxes = [];
  const text = page.lines.map((line) => {
    const words = line.words.map((word) => word.characters.map((character) => {
      const [box, letter] = twins(character);
      boxes.push(box);
      return letter;
    }));
    return el("div", { class: "line" }, ...words.flatMap((letters, i) => (i ? [" ", ...letters] : letters)));
  });
  return { boxes, text: text.length ? text : [el("div", { class: "line" }, "Nothing is written here.")] };
}

function twins(character) {
  const [left, top, right, bottom] = character.box;
  const mark = `u${level(character.confidence)}`;
  const box = svg("rect", { x: left, y: top, width: right - left, height: bottom - top, class: `box ${mark}` });
  const letter = el("span", { class: `ch ${mark}` }, character.text);
  about.set(box, { character, twin: letter });
  about.set(letter, { character, twin: box });
  return [box, letter];
}

let marked = null;

/** The other half of what is looked at is marked with it. */
function mark(part) {
  marked?.classList.remove("current");
  marked = part && about.get(part).twin;
  marked?.classList.add("current");
}

function describe(part) {
  const { character } = about.get(part) ?? {};
  if (!character) return null;
  const rows = character.alternatives.map(([text, p]) => ({ label: visible(text), p, chosen: text === character.text }));
  return { title: character.text, note: `${percent(character.confidence)} sure`, rows: rows.slice(0, 5) };
}

function summary(read) {
  const characters = read.flatMap((page) => page.lines.flatMap((line) => line.words.flatMap((word) => word.characters)));
  const unsure = characters.filter(({ confidence }) => confidence < LEVELS.at(-1)).length;
  const several = read.length > 1 ? ` on ${read.length} pages; the boxes are those of the first` : "";
  const notes = read.flatMap((page) => page.notes).map((note) => ` Note: ${note}.`);
  return `${name}: ${counted(characters.length, "character")}${several}, ${unsure || "none"} not sure.${notes.join("")}`;
}
