// Taking results along: to the clipboard, or as a file.

import { el } from "./dom.js";

/** Copy `text`; the button says for a moment whether it worked. */
export async function copy(button, text) {
  const label = (button.dataset.label ??= button.textContent); // it may be pressed twice
  let word = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    word = "Not allowed";
  }
  button.textContent = word;
  setTimeout(() => (button.textContent = label), 1500);
}

/** Give a file to keep. */
export function download(name, parts, type) {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  const link = el("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
