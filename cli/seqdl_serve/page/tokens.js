// From the symbols of a completion to characters, each with how much it surprised the model.

const BYTES = /^bytes:((?:\\x[0-9a-f]{2})+)$/i;
const LEVELS = [1, 2, 4, 6]; // bits, where a next level begins

/**
 * The characters of a choice: [{text, logprob (nats) or null, others: [[symbol, nats], ...]}]. A character of several
 * bytes has the sum of their log-probabilities, and the alternatives to its first.
 */
export function characters({ text, logprobs }) {
  if (!logprobs) return plain(text);
  const found = [];
  let open = null; // a character of which bytes are missing
  logprobs.tokens.forEach((token, i) => {
    const logprob = logprobs.token_logprobs[i];
    const others = Object.entries(logprobs.top_logprobs?.[i] ?? {});
    const bytes = bytesOf(token);
    if (!bytes) {
      found.push({ text: token, logprob, others });
      return;
    }
    open ??= { bytes: [], logprob: 0, others };
    open.bytes.push(...bytes);
    open.logprob += logprob;
    const whole = decoded(open.bytes);
    if (whole === null) return;
    found.push({ text: whole, logprob: open.logprob, others: open.others });
    open = null;
  });
  return found.map((one) => one.text).join("") === text ? found : plain(text);
}

const plain = (text) => (text ? [{ text, logprob: null, others: [] }] : []);

function bytesOf(token) {
  const match = BYTES.exec(token);
  return match && match[1].split("\\x").slice(1).map((hex) => parseInt(hex, 16));
}

/** The character that the bytes are; null where they are not one, or not yet. */
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(bytes));
  } catch {
    return null;
  }
}

/** How a symbol among the alternatives is called. */
export const symbolName = (token) => bytesOf(token)?.map((byte) => `byte ${byte.toString(16)}`).join(" ") ?? token;

export const bits = (logprob) => Math.max(0, -logprob / Math.LN2);

/** 0 (expected) to 4 (a great surprise). */
export const level = (logprob) => LEVELS.filter((edge) => bits(logprob) >= edge).length;

/** What each level stands for. */
export const LEVEL_NAMES = ["under 1 bit", "1–2", "2–4", "4–6", "over 6"];
