// What a scan found: tracks, a logo of one kind, the table, the files to take along.

import { byId, counted, el, grouped } from "./dom.js";
import { around } from "./fasta.js";
import { logo } from "./logo.js";
import { download } from "./save.js";
import { Table } from "./table.js";
import { Tracks } from "./tracks.js";

const FLANK = 10; // bases beside a site, in its logo

export class Results {
  constructor() {
    this.tracks = new Tracks(byId("tracks"), byId("scan-legend"));
    this.table = new Table(byId("hits"), "Hits");
    byId("logo-of").addEventListener("change", () => this.#drawLogo());
    const save = (id, name, content, type) => byId(id).addEventListener("click", () => download(name, content(), type));
    save("save-tsv", "hits.tsv", () => this.hits.tsv(), "text/tab-separated-values");
    save("save-bed", "hits.bed", () => this.hits.bed(), "text/plain");
    save("save-json", "hits.jsonl", () => this.hits.json(), "application/x-ndjson");
  }

  begin(hits, sequences) {
    Object.assign(this, { hits, sequences, kinds: 0 });
    byId("scan-result").hidden = true;
    byId("logo-of").replaceChildren();
    this.tracks.clear();
    this.table.reset([]);
  }

  /** Draw what has come. */
  update() {
    const { hits } = this;
    if (!hits?.all.length) return;
    byId("scan-result").hidden = false;
    if (!this.table.columns.length) this.table.reset(this.#columns());
    this.tracks.update(hits, this.sequences, describe);
    this.table.update(hits.all, `${counted(hits.all.length, "hit")}; places count from 0, the end is left out`);
    this.#drawLogo();
  }

  #columns() {
    const name = (hit) => el("button", { type: "button", class: "link", title: "Show it in its track", click: () => this.tracks.goTo(hit) }, hit.sequence_name);
    const columns = [
      { label: "Sequence", of: (hit) => hit.sequence_name, show: name },
      { label: "Start", of: (hit) => hit.start, show: (hit) => grouped(hit.start), number: true },
      { label: "End", of: (hit) => hit.end, show: (hit) => grouped(hit.end), number: true },
      { label: "Strand", of: (hit) => hit.strand, show: (hit) => (hit.strand === "-" ? "−" : hit.strand) },
    ];
    if (this.hits.areSites) {
      return [...columns, { label: "Site", of: (hit) => hit.name }, { label: "Probability", of: (hit) => hit.score, show: (hit) => hit.score.toFixed(4), number: true }];
    }
    return [
      ...columns,
      { label: "Motif", of: (hit) => hit.name },
      { label: "Bits", of: (hit) => hit.score, show: (hit) => hit.score.toFixed(2), number: true },
      { label: "p-value", of: (hit) => hit.p_value, show: (hit) => hit.p_value.toExponential(1), number: true },
      { label: "Matched", of: (hit) => hit.matched_sequence, show: (hit) => el("code", {}, hit.matched_sequence ?? "") },
    ];
  }

  #drawLogo() {
    const chooser = byId("logo-of");
    const names = [...this.hits.kinds.keys()];
    for (const name of names.slice(chooser.length)) chooser.append(el("option", { value: name }, name));
    byId("logo-field").hidden = names.length < 1;
    const hits = this.hits.kinds.get(chooser.value) ?? [];
    const { sequences, labels, words } = this.hits.areSites ? this.#windows(hits) : matched(hits);
    byId("logo").replaceChildren(...(sequences.length ? [logo(sequences, labels, byId("logo").clientWidth)] : []));
    byId("logo-note").textContent = sequences.length ? words : "There is nothing to make a logo of: the bases around these hits are not known here.";
  }

  /** The bases around sites. */
  #windows(hits) {
    const sequences = hits.map((hit) => around(this.sequences.get(hit.sequence_name), hit, FLANK)).filter(Boolean);
    const labels = Array.from({ length: 2 * FLANK + 1 }, (_, i) => `${i > FLANK ? "+" : i < FLANK ? "−" : ""}${Math.abs(i - FLANK)}`);
    return { sequences, labels, words: `The bases around ${counted(sequences.length, "site")}, each as its strand reads; 0 is the site.` };
  }
}

/** What the hits of a motif matched. */
function matched(hits) {
  const width = hits[0]?.matched_sequence?.length ?? 0;
  const sequences = hits.map((hit) => hit.matched_sequence).filter((text) => text && text.length === width);
  const labels = Array.from({ length: width }, (_, i) => i + 1);
  return { sequences, labels, words: `What ${counted(sequences.length, "hit")} matched, each as its strand reads.` };
}

/** A hit for the inspector of a track. */
function describe(hit) {
  const place = `${grouped(hit.start)}–${grouped(hit.end)}, strand ${hit.strand === "-" ? "−" : "+"}`;
  const score = hit.p_value == null ? `probability ${hit.score.toFixed(4)}` : `${hit.score.toFixed(2)} bits, p ${hit.p_value.toExponential(1)}`;
  return { title: hit.name, note: [place, score, hit.matched_sequence].filter(Boolean).join(" · ") };
}
