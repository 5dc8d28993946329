// The tool that writes: a prompt and sliders in, a stream of characters out, each with the model's surprise.

import { events, postJson } from "./api.js";
import { bringIntoView, byId, counted, el, enable, visible } from "./dom.js";
import { inspect } from "./inspect.js";
import { modelFor } from "./models.js";
import { copy } from "./save.js";
import { sliders } from "./sliders.js";
import { LEVEL_NAMES, bits, characters, level, symbolName } from "./tokens.js";

const OTHERS = 5; // alternatives to ask for
const about = new WeakMap(); // element -> its character
let stopper = null; // of the request that runs
let text = ""; // with the prompt
let values;
let inspector;

export function startWrite() {
  values = sliders(byId("write-form"));
  if (matchMedia("(min-width: 60rem)").matches) byId("more-sliders").open = true;
  inspector = inspect(byId("written"), ".ch", describe);
  byId("write-legend").append(...legend());
  busy(false);
  byId("write-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!stopper) write();
  });
  byId("prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("write-form").requestSubmit();
  });
  byId("write-stop").addEventListener("click", () => stopper?.abort());
  byId("write-copy").addEventListener("click", (event) => text && copy(event.target, text));
  byId("seed-again").addEventListener("click", () => (byId("seed").value = byId("seed-again").dataset.seed));
}

async function write() {
  stopper = new AbortController();
  const tally = { characters: 0, bits: 0, seed: null, stopped: false };
  begin(byId("prompt").value);
  try {
    const answer = await postJson("v1/completions", wish(), stopper.signal);
    for await (const event of events(answer)) take(event, tally);
  } catch (error) {
    if (error.name === "AbortError") tally.stopped = true;
    else byId("write-problem").textContent = error.message;
  } finally {
    end(tally);
  }
}

/** The body of the request. */
function wish() {
  const seed = byId("seed").value.trim();
  return {
    model: modelFor("text"),
    prompt: byId("prompt").value,
    ...values(),
    seed: seed === "" ? null : Number(seed),
    stream: true,
    logprobs: OTHERS,
  };
}

function begin(prompt) {
  inspector.hide();
  text = prompt;
  byId("write-problem").textContent = "";
  byId("write-status").textContent = "Writing…";
  byId("written").replaceChildren(el("span", { class: "prompt" }, prompt));
  byId("written").setAttribute("aria-busy", "true");
  busy(true);
  bringIntoView(byId("written"));
}

function end(tally) {
  stopper = null;
  byId("written").removeAttribute("aria-busy");
  byId("write-status").textContent = summary(tally);
  busy(false);
}

function busy(is) {
  enable(byId("write-start"), !is);
  enable(byId("write-stop"), is);
  enable(byId("write-copy"), !is && text !== "");
}

function take({ choices: [choice], seed }, tally) {
  if (seed != null) keepSeed(seed, tally);
  if (!choice?.text) return;
  const parts = document.createDocumentFragment();
  for (const character of characters(choice)) {
    parts.append(tinted(character));
    tally.characters += [...character.text].length;
    tally.bits += bits(character.logprob);
  }
  text += choice.text;
  byId("written").append(parts);
}

function keepSeed(seed, tally) {
  if (tally.seed === seed) return;
  tally.seed = seed;
  byId("seed-again").dataset.seed = seed;
  byId("seed-again").hidden = false;
}

function tinted(character) {
  if (character.logprob === null) return el("span", {}, character.text);
  const end = character.text === "\n" ? " end" : "";
  const part = el("span", { class: `ch s${level(character.logprob)}${end}` }, character.text);
  about.set(part, character);
  return part;
}

function summary(tally) {
  if (tally.seed === null) return tally.stopped ? "Stopped." : "";
  const mean = tally.characters ? `, ${(tally.bits / tally.characters).toFixed(2)} bits each` : "";
  return `${tally.stopped ? "Stopped after " : ""}${counted(tally.characters, "character")}${mean}. Seed ${tally.seed}.`;
}

/** For the inspector. */
function describe(part) {
  const character = about.get(part);
  if (!character) return null;
  const p = Math.exp(character.logprob);
  const rows = character.others
    .map(([token, nats]) => ({ label: visible(symbolName(token)), p: Math.exp(nats), chosen: token === character.text }))
    .sort((a, b) => b.p - a.p);
  if (!rows.some((row) => row.chosen)) rows.push({ label: visible(character.text), p, chosen: true });
  return { title: visible(character.text), note: `${bits(character.logprob).toFixed(1)} bits of surprise`, rows };
}

function legend() {
  const keys = LEVEL_NAMES.map((name, i) => el("span", { class: "key" }, el("span", { class: `ch s${i}` }, "abc"), ` ${name}`));
  return [el("span", {}, "Surprise"), ...keys];
}
