// The answer on the page: filters, marked text and the panels below it.

import { count, element, find, oncePerFrame } from "./dom.js";
import { hues, markedText, pageEnd } from "./marks.js";
import { curlPanel, jsonPanel } from "./output.js";
import { entityTable, tokenTable } from "./tables.js";
import { makeTabs } from "./tabs.js";
import { teachPanel } from "./teach.js";

// The latest answer: {request, answer, labels, tags, key, taught}. Null before the first.
let latest = null;
let panel = "panel-entities";

/**
 * Show an answer to a request.
 * @param model what the service tells of the model that answered, if it is known.
 * @param key gives the key, empty if there is none.
 * @param taught is called when something was taught.
 */
export function showResult(request, answer, { model, key, taught }) {
  const found = answer.documents[0].entities.filter(isChosen).map((entity) => entity.label);
  const labels = [...new Set([...(model?.labels ?? []), ...found])];
  latest = { request, answer, labels, tags: model?.tags ?? [], key, taught };
  showLabels(labels, found);
  find("result").hidden = false;
  show();
}

/** Tell an entity from a candidate that the model did not choose. */
const isChosen = (entity) => entity.chosen !== false;

/** Let the filters and tabs work. */
export function beginResult() {
  find("threshold").addEventListener("input", oncePerFrame(show));
  find("labels").addEventListener("change", show);
  makeTabs(find("tabs"), (id) => {
    panel = id;
    showPanel();
  });
}

function showLabels(labels, found) {
  const hueOf = hues(labels);
  const off = labelsOff();
  const [legend] = find("labels").children;
  const boxes = labels.map((label) => {
    const box = element("input", { type: "checkbox", value: label });
    box.checked = !off.has(label);
    const chip = element("span", { class: `chip ${hueOf(label)}` }, label);
    const number = found.filter((one) => one === label).length.toLocaleString("en");
    return element("label", {}, box, " ", chip, " ", element("span", { class: "quiet" }, number));
  });
  find("labels").replaceChildren(legend, ...boxes);
}

function labelsOff() {
  const boxes = find("labels").querySelectorAll("input:not(:checked)");
  return new Set([...boxes].map((box) => box.value));
}

/** Give the request and answer as the filters make them: the service would answer just so. */
function filtered() {
  const { request, answer, labels } = latest;
  const [document] = answer.documents;
  const threshold = Number(find("threshold").value);
  const off = labelsOff();
  const entities = document.entities.filter(
    (entity) => entity.score >= threshold && !off.has(entity.label),
  );
  const asked = { ...request };
  if (threshold) asked.threshold = threshold;
  if (off.size) asked.labels = labels.filter((label) => !off.has(label));
  return { entities, asked, told: { ...answer, documents: [{ ...document, entities }] } };
}

function show() {
  if (!latest) return;
  const { entities } = filtered();
  find("threshold-value").textContent = Number(find("threshold").value).toFixed(2);
  showMarks(latest.request.text, entities.filter(isChosen));
  showPanel();
}

function showMarks(text, entities) {
  const hueOf = hues(latest.labels);
  let end = 0;

  function showMore() {
    const start = end;
    end = pageEnd(text, entities, start);
    find("marked").append(markedText(text, entities, start, end, hueOf));
    const shown = end.toLocaleString("en");
    find("shown").textContent = `${shown} of ${count(text.length, "character")}.`;
    find("more").hidden = end === text.length;
  }

  find("marked").replaceChildren();
  find("show-more").onclick = showMore;
  showMore();
}

/** Only the panel that is seen is made: the others may be long. */
function showPanel() {
  if (!latest) return;
  const { entities, asked, told } = filtered();
  const panels = {
    "panel-entities": () => entityTable(entities, hues(latest.labels)),
    "panel-tokens": () =>
      tokenTable(latest.answer.documents[0].tokens, entities.filter(isChosen), latest.tags),
    "panel-teach": () =>
      teachPanel(latest.request.text, entities.filter(isChosen), latest.labels, {
        key: latest.key,
        model: latest.request.model,
        taught: latest.taught,
      }),
    "panel-json": () => jsonPanel(told),
    "panel-curl": () => curlPanel(asked, { withKey: Boolean(latest.key()) }),
  };
  find(panel).replaceChildren(...panels[panel]());
}
