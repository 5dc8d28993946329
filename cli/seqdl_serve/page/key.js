// The key of a server that asks for one. It lives as long as the tab.

import { byId } from "./dom.js";

const NAME = "seqdl-key";
let key = read();
let asking = null;

function read() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // storage is forbidden
  }
}

export const currentKey = () => key;

/** Ask for the key. Several requests that wait for it get one dialog. Resolves to whether there is one now. */
export function askForKey() {
  asking ??= ask().finally(() => (asking = null));
  return asking;
}

function ask() {
  const dialog = byId("key-dialog");
  const field = byId("key");
  field.value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "use" && keep(field.value)), { once: true });
  });
}

function keep(value) {
  key = value.trim();
  try {
    sessionStorage.setItem(NAME, key);
  } catch {
    // it holds for this page then
  }
  return key !== "";
}
