// The hits of a scan: kept as they come, by sequence and by kind, and written in the formats that people's tools read.

const FIMO = "motif_id motif_alt_id sequence_name start stop strand score p-value q-value matched_sequence".split(" ");
const SITES = "site_type sequence_name start stop strand probability".split(" ");
const MOST_BED = 1000;

export class Hits {
  all = [];
  kinds = new Map(); // name of a motif or site -> its hits
  sequences = new Map(); // name of a sequence -> its hits

  add(documents) {
    for (const hit of documents) {
      this.all.push(hit);
      grouped(this.kinds, hit.name).push(hit);
      grouped(this.sequences, hit.sequence_name).push(hit);
    }
  }

  /** Whether these are sites, with a probability for a score, and not motifs. */
  get areSites() {
    return this.all.length > 0 && this.all[0].p_value == null;
  }

  /** The best score. */
  get top() {
    return this.areSites ? 1 : this.all.reduce((most, hit) => Math.max(most, hit.score), 0);
  }

  /** As FIMO writes them, or the columns of sites: 1-based, both ends included. */
  tsv() {
    const rows = this.areSites
      ? this.all.map((hit) => [hit.name, hit.sequence_name, hit.start + 1, hit.end, hit.strand, hit.score])
      : this.all.map((hit) => [hit.name, hit.alt_name, hit.sequence_name, hit.start + 1, hit.end, hit.strand, hit.score, hit.p_value, hit.q_value, hit.matched_sequence]);
    return lines([this.areSites ? SITES : FIMO, ...rows]);
  }

  /** BED6: 0-based, half-open; the score is 1000 times a probability, or -100 log10(p), 1000 at most. */
  bed() {
    const score = (hit) => (hit.p_value == null ? 1000 * hit.score : -100 * Math.log10(hit.p_value));
    return lines(this.all.map((hit) => [hit.sequence_name, hit.start, hit.end, hit.name, Math.min(MOST_BED, Math.round(score(hit))), hit.strand]));
  }

  /** The documents as they came, one a line. */
  json() {
    return this.all.map((hit) => `${JSON.stringify(hit)}\n`);
  }
}

function grouped(map, key) {
  if (!map.has(key)) map.set(key, []);
  return map.get(key);
}

const lines = (rows) => rows.map((row) => `${row.map((cell) => cell ?? "").join("\t")}\n`);
