// Example sequences: genes that never lived. Random bases, a TATA box, exons of random codons, introns with the
// signals of fission yeast; every second gene lies on the other strand. They are the same each time.

import { reverseComplement } from "./fasta.js";

const STOPS = ["TAA", "TAG", "TGA"];
const LINE = 60; // bases

/** A source of numbers from 0 to 1 (mulberry32). */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` random bases; the weights are those of A, C, G and T, in per cent. */
function bases(draw, count, weights = [31, 19, 19, 31]) {
  const one = () => {
    let left = draw() * 100;
    return "ACGT"[Math.max(0, weights.findIndex((weight) => (left -= weight) < 0))];
  };
  return Array.from({ length: count }, one).join("");
}

function exon(draw, codons) {
  let text = "";
  while (text.length < 3 * codons) {
    const codon = bases(draw, 3, [28, 22, 22, 28]);
    if (!STOPS.includes(codon)) text += codon;
  }
  return text;
}

const between = (draw, least, most) => least + Math.floor(draw() * (most - least + 1));

function intron(draw) {
  const body = bases(draw, between(draw, 20, 45), [33, 14, 14, 39]);
  return `GTA${draw() < 0.3 ? "T" : "A"}GT${body}CTAAC${bases(draw, between(draw, 4, 9), [30, 15, 5, 50])}TTAG`;
}

function gene(draw) {
  let text = `${bases(draw, 260)}TATAAAAG${bases(draw, 60)}AAAATG${exon(draw, 40)}`;
  for (let left = between(draw, 2, 3); left > 0; left--) {
    text = `${text.slice(0, -3)}${draw() < 0.5 ? "CAG" : "AAG"}${intron(draw)}${exon(draw, between(draw, 30, 70))}`;
  }
  return `${text}TAA${bases(draw, 200)}`;
}

/** FASTA of a few genes. */
export function exampleFasta(genes = 4) {
  const draw = numbers(7);
  let text = "";
  for (let number = 1; number <= genes; number++) {
    const forward = number % 2 === 1;
    const own = gene(draw);
    const lines = (forward ? own : reverseComplement(own)).match(new RegExp(`.{1,${LINE}}`, "g"));
    text += `>made${number} a gene that never lived, strand ${forward ? "+" : "-"}\n${lines.join("\n")}\n`;
  }
  return text;
}
