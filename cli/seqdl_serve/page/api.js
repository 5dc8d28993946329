// Talking to the service: requests, its one form of errors put into words, and its two kinds of streams.

import { askForKey, currentKey } from "./key.js";

const CUT_OFF = "The server cannot be reached. See that it runs and that you are connected, then try again.";
const REFUSED = "The connection broke off while the file was sent: it may be larger than this server takes. ";
const LARGE = 4e6; // bytes
const BROKE_OFF = "The connection broke off before the answer was whole. Try again.";

/** What went wrong, in words that can be shown. */
export class ApiError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** The answer to a request to `path` (relative to the page). Throws ApiError, or AbortError where `signal` says so. */
export async function request(path, options = {}) {
  let response = await send(path, options);
  if (response.status === 401 && (await askForKey())) response = await send(path, options);
  if (!response.ok) throw await problem(response);
  return response;
}

/** POST a JSON document. */
export const postJson = (path, content, signal) =>
  request(path, { method: "POST", body: JSON.stringify(content), type: "application/json", signal });

/** The JSON document of an answer. */
export async function content(response) {
  try {
    return await response.json();
  } catch (error) {
    throw error.name === "AbortError" ? error : new ApiError(BROKE_OFF);
  }
}

async function send(path, { method = "GET", body, type, signal }) {
  const headers = {};
  if (type) headers["Content-Type"] = type;
  if (currentKey()) headers.Authorization = `Bearer ${currentKey()}`;
  try {
    return await fetch(new URL(path, document.baseURI), { method, body, headers, signal, cache: "no-store" });
  } catch (error) {
    throw error.name === "AbortError" ? error : new ApiError(body?.size > LARGE ? REFUSED + CUT_OFF : CUT_OFF);
  }
}

/** The words for an answer that is an error. */
async function problem(response) {
  let message;
  try {
    message = (await response.json()).error.message;
  } catch {
    message = `the server answered ${response.status}`;
  }
  return new ApiError(inWords(response.status, message, response.headers.get("Retry-After")), response.status);
}

function inWords(status, message, retryAfter) {
  if (status === 401) return "This server asks for a key, and this one does not fit. Try again to give another.";
  if (status === 429) return `The server is busy. Try again ${when(retryAfter)}.`;
  if (status === 503) return `${sentence(message)} Try again ${when(retryAfter)}.`;
  return sentence(message);
}

/** When a Retry-After header means: seconds or a date. */
function when(retryAfter) {
  const seconds = /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) : (Date.parse(retryAfter) - Date.now()) / 1000;
  if (!(seconds > 1)) return "in a moment";
  return seconds < 100 ? `in ${Math.ceil(seconds)} seconds` : `in ${Math.ceil(seconds / 60)} minutes`;
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** The lines of a streamed answer, in arrays as they come. */
async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      yield parts;
    }
  } catch (error) {
    throw error.name === "AbortError" ? error : new ApiError(BROKE_OFF);
  } finally {
    reader.cancel().catch(() => {});
  }
  if (rest) yield [rest];
}

function parsed(line) {
  let found;
  try {
    found = JSON.parse(line);
  } catch {
    throw new ApiError(BROKE_OFF);
  }
  if (found.error) throw new ApiError(sentence(found.error.message));
  return found;
}

/** The documents of server-sent events, one by one, up to [DONE]; what is behind that is read, to end in peace. */
export async function* events(response) {
  let whole = false;
  for await (const part of lines(response)) {
    for (const line of part) {
      if (whole || !line.startsWith("data:")) continue; // an empty line, a ping
      const data = line.slice(5).trim();
      if (data === "[DONE]") whole = true;
      else yield parsed(data);
    }
  }
  if (!whole) throw new ApiError(BROKE_OFF);
}

/** The documents of a stream with one a line, in arrays as they come. */
export async function* documents(response) {
  for await (const part of lines(response)) {
    const found = [];
    try {
      for (const line of part) if (line.trim()) found.push(parsed(line));
    } finally {
      if (found.length) yield found; // those before an error count
    }
  }
}
