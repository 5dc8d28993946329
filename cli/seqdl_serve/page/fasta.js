// FASTA, as far as the page needs it to draw: the service is what checks it.

const COMPLEMENT = { A: "T", C: "G", G: "C", T: "A" };

/** The sequences of a text, upper case, U as T: Map of name (up to the first blank) to bases. */
export function parseFasta(text) {
  const found = new Map();
  for (const record of text.replaceAll("\r", "").split(/^>/m).slice(1)) {
    const end = record.indexOf("\n");
    const name = (end < 0 ? record : record.slice(0, end)).trim().split(/\s/)[0];
    const bases = end < 0 ? "" : record.slice(end).replace(/\s+/g, "");
    found.set(name, bases.toUpperCase().replaceAll("U", "T"));
  }
  return found;
}

/** The other strand, read its own way. What is not a base becomes N. */
export function reverseComplement(bases) {
  return [...bases].reverse().map((base) => COMPLEMENT[base] ?? "N").join("");
}

/** `flank` bases on both sides of a place, as the hit's strand reads them; null where the sequence ends before. */
export function around(sequence, { start, end, strand }, flank) {
  const middle = strand === "-" ? end - 1 : start;
  if (!sequence || middle < flank || middle + flank >= sequence.length) return null;
  const bases = sequence.slice(middle - flank, middle + flank + 1);
  return strand === "-" ? reverseComplement(bases) : bases;
}
