// The tool that scans DNA: the form, the request, and the stream of hits.

import { documents, request } from "./api.js";
import { bringIntoView, byId, counted, enable } from "./dom.js";
import { Hits } from "./hits.js";
import { modelFor } from "./models.js";
import { Results } from "./results.js";
import { chosenFasta, readSequences, startSequences } from "./sequences.js";
import { sliders } from "./sliders.js";

const KEPT = 100_000; // hits; a browser is no place for more
const PAUSE = 400; // milliseconds between two drawings, at least
let stopper = null;
let results;
let values;

export function startScan() {
  const form = byId("scan-form");
  values = sliders(form);
  results = new Results();
  startSequences();
  form.addEventListener("change", showFields);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!stopper) scan();
  });
  byId("scan-stop").addEventListener("click", () => stopper?.abort());
  showFields();
  busy(false);
}

const wanted = () => byId("scan-form").elements.what.value;

/** Only the fields of what is looked for. */
function showFields() {
  for (const field of byId("scan-form").querySelectorAll("[data-for]")) {
    field.hidden = !field.dataset.for.split(" ").includes(wanted());
  }
}

async function scan() {
  const fasta = chosenFasta();
  const missing = lacking(fasta);
  byId("scan-problem").textContent = missing;
  if (missing) return;
  stopper = new AbortController();
  busy(true);
  const hits = new Hits();
  let ending = "";
  try {
    ending = await run(fasta, hits);
  } catch (error) {
    if (error.name === "AbortError") ending = "Stopped. ";
    else byId("scan-problem").textContent = error.message;
  } finally {
    results.update();
    byId("scan-status").textContent = ending + summary(hits);
    stopper = null;
    busy(false);
  }
}

/** What must be given first, in words; "" for nothing. */
function lacking(fasta) {
  if (!fasta) return "Paste sequences in FASTA form first, choose a file, or take the example.";
  if (wanted() === "words" && !words().length) return "Give a word to look for, such as TATAWAW.";
  if (wanted() === "motifs" && !byId("motif-file").files[0]) return "Choose a motif file first.";
  return "";
}

const words = () => byId("words").value.split(/[\s,]+/).filter(Boolean);

/** Fill `hits` from the stream, drawing now and then. */
async function run(fasta, hits) {
  const sequences = await readSequences(fasta);
  results.begin(hits, sequences);
  const answer = await request(`v1/scan?${query()}`, { method: "POST", ...body(fasta), signal: stopper.signal });
  let next = 0;
  for await (const part of documents(answer)) {
    hits.add(part);
    if (hits.all.length >= KEPT) {
      stopper.abort();
      return `More than ${counted(KEPT, "hit")}: the page stops here; seqdl scan on the command line goes on. `;
    }
    const begun = performance.now();
    if (begun < next) continue;
    results.update();
    next = performance.now() + Math.max(PAUSE, 10 * (performance.now() - begun));
  }
  return "";
}

function query() {
  const asked = new URLSearchParams({ format: "json" });
  if (wanted() === "sites") {
    if (modelFor("sites")) asked.set("model", modelFor("sites"));
    asked.set("min_probability", values().min_probability);
    return asked;
  }
  asked.set("thresh", byId("thresh").value);
  if (!byId("both").checked) asked.set("norc", "1");
  if (wanted() === "words") for (const word of words()) asked.append("consensus", word);
  return asked;
}

/** {body, type}: the sequences alone, or with a file of motifs. */
function body(fasta) {
  if (wanted() !== "motifs") return { body: fasta, type: /gzip/.test(fasta.type) ? "application/gzip" : "text/plain" };
  const parts = new FormData();
  parts.append("fasta", fasta, fasta.name ?? "pasted.fa");
  parts.append("motifs", byId("motif-file").files[0]);
  return { body: parts };
}

function busy(is) {
  enable(byId("scan-start"), !is);
  enable(byId("scan-stop"), is);
  if (!is) return;
  byId("scan-status").textContent = "Scanning…";
  bringIntoView(byId("scan-status"));
}

function summary(hits) {
  if (!hits.all.length) return byId("scan-problem").textContent ? "" : "No hit. A larger p-value or a smaller probability finds more.";
  return `${counted(hits.all.length, "hit")} in ${counted(hits.sequences.size, "sequence")}.`;
}
