// The page: what is asked and when.

import { listModels, tag } from "./api.js";
import { count, element, find } from "./dom.js";
import { EXAMPLES } from "./examples.js";
import { takeFiles } from "./files.js";
import { askForKey, showProblem } from "./problem.js";
import { beginResult, showResult } from "./result.js";

// Tokens are some fifty times as long as their text, so they are asked for up to this length.
const UNITS_WITH_TOKENS = 50_000;

let models = [];
// Of the request that is on its way: a newer one takes its place.
let running = null;

const key = () => find("key").value.trim();

async function loadModels() {
  try {
    ({ models } = await listModels(key()));
  } catch (error) {
    // Without a key nothing has gone wrong yet.
    if (error.status === 401 && !key()) askForKey();
    else showProblem(error);
    return;
  }
  find("model").replaceChildren(...models.map((model) => element("option", {}, model.name)));
  find("model-field").hidden = models.length < 2;
  tellModel();
}

function tellModel() {
  const model = models.find((one) => one.name === find("model").value);
  find("model-name").textContent = model ? `${model.name} · ${model.version}` : "";
}

async function findNames() {
  running?.abort();
  const own = new AbortController();
  running = own;
  showProblem(null);
  find("status").textContent = "Finding names …";
  const request = requestFor(find("text").value);
  const began = performance.now();
  try {
    const answer = await tag(request, { key: key(), signal: own.signal });
    const took = performance.now() - began;
    if (!models.length) await loadModels(); // the key has only just been given
    if (running === own) take(request, answer, took);
  } catch (error) {
    if (running === own) showProblem(error);
  }
}

function requestFor(text) {
  const request = { text, offset_unit: "utf16" };
  if (models.length > 1) request.model = find("model").value;
  if (text.length <= UNITS_WITH_TOKENS) {
    request.include = ["tokens"];
    if (find("evidence").checked) Object.assign(request, { candidates: 0.05, explain: true });
  }
  return request;
}

function take(request, answer, milliseconds) {
  const model = models.find((one) => one.name === answer.model.name);
  showResult(request, answer, { model, key, taught: learnt });
  const chosen = answer.documents[0].entities.filter((entity) => entity.chosen !== false);
  const found = count(chosen.length, "entity", "entities");
  const took = Math.round(milliseconds).toLocaleString("en");
  find("status").textContent = `${found} found in ${took} ms.`;
}

/** Look again after something was taught: a new label may have come with it. */
async function learnt() {
  await loadModels();
  await findNames();
}

function takeText(text) {
  find("text").value = text;
  findNames();
}

function begin() {
  for (const [name, text] of EXAMPLES) {
    const button = element("button", { type: "button", class: "small" }, name);
    button.addEventListener("click", () => takeText(text));
    find("examples").append(button);
  }
  find("form").addEventListener("submit", (event) => {
    event.preventDefault();
    findNames();
  });
  find("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) findNames();
  });
  find("key").addEventListener("change", loadModels);
  find("model").addEventListener("change", tellModel);
  find("evidence").addEventListener("change", () => {
    if (!find("result").hidden) findNames();
  });
  takeFiles({
    form: find("form"),
    button: find("open"),
    input: find("file"),
    took: takeText,
    refused: showProblem,
  });
  beginResult();
  loadModels();
}

begin();
