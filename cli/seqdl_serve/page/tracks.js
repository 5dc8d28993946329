// The tracks of all sequences that have hits, a few at a time, and the legend of what is drawn in them.

import { counted, el, grouped, svg } from "./dom.js";
import { look } from "./glyphs.js";
import { Track } from "./track.js";

const DRAWN = 5000; // hits on the page at once
const PAGE = 8; // tracks that one press of "more" adds
const KINDS = 8; // in the legend

export class Tracks {
  constructor(place, legend) {
    Object.assign(this, { place, legend });
    this.more = el("button", { type: "button", click: () => this.#showMore() });
    this.clear();
  }

  clear() {
    this.tracks?.forEach((track) => track.observer.disconnect());
    this.tracks = new Map(); // name of a sequence -> its track
    this.shown = PAGE;
    this.place.replaceChildren();
    this.legend.replaceChildren();
  }

  /** Draw what has changed. `sequences`: Map of name to bases, as far as they are known. */
  update(hits, sequences, describe) {
    Object.assign(this, { hits, sequences });
    this.scale = { top: hits.top || 1, kinds: [...hits.kinds.keys()], describe };
    const names = [...hits.sequences.keys()];
    const most = Math.floor(DRAWN / Math.min(names.length, this.shown) || DRAWN);
    for (const name of names.slice(0, this.shown)) this.#track(name).update(hits.sequences.get(name), most);
    this.more.textContent = `Show more of ${grouped(names.length)} sequences with hits`;
    this.more.remove();
    if (names.length > this.shown) this.place.append(this.more);
    this.#drawLegend();
  }

  goTo(hit) {
    const at = [...this.hits.sequences.keys()].indexOf(hit.sequence_name);
    this.shown = Math.max(this.shown, at + 1);
    this.update(this.hits, this.sequences, this.scale.describe);
    this.tracks.get(hit.sequence_name).goTo(hit);
  }

  #track(name) {
    let track = this.tracks.get(name);
    if (!track) {
      const bases = this.sequences.get(name);
      track = new Track({ name, length: bases?.length ?? 1, bases }, this.scale);
      this.tracks.set(name, track);
      this.place.append(track.element);
    }
    Object.assign(track.scale, this.scale);
    return track;
  }

  #showMore() {
    this.shown += PAGE;
    this.update(this.hits, this.sequences, this.scale.describe);
  }

  #drawLegend() {
    const kinds = [...this.hits.kinds].slice(0, KINDS).map(([name, hits], i) => {
      const { mark, style } = look(i);
      const sign = svg("svg", { width: 12, height: 12, viewBox: "-6 -6 12 12", class: `hit ${style}`, "aria-hidden": "true" }, svg("path", { d: mark }));
      return el("span", { class: "key" }, sign, ` ${name} ${grouped(hits.length)}`);
    });
    const rest = this.hits.kinds.size - KINDS;
    const height = this.hits.areSites ? "Height: probability, 0 to 1" : `Height: score, 0 to ${this.scale.top.toFixed(1)} bits`;
    this.legend.replaceChildren(...kinds, ...(rest > 0 ? [el("span", {}, `and ${counted(rest, "more", "more")}`)] : []), el("span", {}, height));
  }
}
