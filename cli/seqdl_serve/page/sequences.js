// Where the sequences come from: the field they are pasted into, or a file that is too large for one.

import { byId, grouped } from "./dom.js";
import { takeFiles } from "./drop.js";
import { exampleFasta } from "./example.js";
import { parseFasta } from "./fasta.js";

const LARGEST = 40e6; // bytes that are kept here to draw from; the service takes what it takes
let file = null; // instead of the field

export function startSequences() {
  takeFiles(byId("fasta-drop").parentElement, byId("fasta-file"), use);
  byId("fasta-example").addEventListener("click", () => {
    use(null);
    byId("fasta").value = exampleFasta();
  });
  byId("fasta-forget").addEventListener("click", () => {
    use(null);
    byId("fasta").focus();
  });
}

function use(chosen) {
  file = chosen;
  byId("fasta").hidden = byId("fasta-drop").hidden = file !== null;
  byId("fasta-chosen").hidden = file === null;
  if (!file) return;
  byId("fasta-chosen").firstElementChild.textContent = `${file.name}, ${grouped(Math.ceil(file.size / 1000))} kB`;
  byId("fasta-forget").focus();
}

/** The bytes to send; null: there are none. */
export function chosenFasta() {
  const text = byId("fasta").value;
  return file ?? (text.trim() ? new Blob([text], { type: "text/plain" }) : null);
}

/** What can be drawn from: Map of name to bases; empty where it is too large, or cannot be read here. */
export async function readSequences(blob) {
  try {
    return parseFasta(await unpacked(blob));
  } catch {
    return new Map();
  }
}

/** The text of a blob, which may be gzip. Throws where it is longer than LARGEST. */
async function unpacked(blob) {
  const [first, second] = new Uint8Array(await blob.slice(0, 2).arrayBuffer());
  const packed = first === 0x1f && second === 0x8b;
  const stream = packed ? blob.stream().pipeThrough(new DecompressionStream("gzip")) : blob.stream();
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  const parts = [];
  let length = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return parts.join("");
    parts.push(value);
    length += value.length;
    if (length > LARGEST) {
      await reader.cancel();
      throw new RangeError("too large to be kept");
    }
  }
}
