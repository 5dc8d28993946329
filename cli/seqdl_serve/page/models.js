// Which models the server has, and which of each kind is used. The chooser shows where there are several.

import { content, request } from "./api.js";
import { byId, el } from "./dom.js";

const PATIENCE = 2000; // milliseconds
const chosen = new Map(); // kind -> id
let models = [];
let kind = "text";

/** Ask the server. Until it has answered, and if it cannot, each request leaves the model to the server. */
export async function loadModels() {
  models = (await content(await request("v1/models"))).data;
  if (!models.length) setTimeout(() => loadModels().catch(() => {}), PATIENCE); // the server has only begun
  for (const model of models) if (model.default || !chosen.has(model.kind)) chosen.set(model.kind, model.id);
  draw();
}

/** The model to use for a kind of work; undefined: the server's own choice. */
export const modelFor = (wanted) => chosen.get(wanted);

/** Let the chooser be that of a kind: "text", "characters" or "sites". */
export function chooseAmong(wanted) {
  kind = wanted;
  draw();
}

/** Call `react` whenever another model is chosen. */
export function onModelChange(react) {
  byId("model").addEventListener("change", react);
}

function draw() {
  const ours = models.filter((model) => model.kind === kind);
  const options = ours.map((model) => el("option", { value: model.id, selected: model.id === chosen.get(kind) }, model.id));
  byId("model").replaceChildren(...options);
  byId("model-field").hidden = ours.length < 2;
}

byId("model").addEventListener("change", (event) => chosen.set(kind, event.target.value));
