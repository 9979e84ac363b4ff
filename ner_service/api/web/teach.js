// Correcting the answer and teaching it: the panel holds a copy of the entities to work on.

import { remember, suggest } from "./api.js";
import { count, element, find } from "./dom.js";
import { showProblem } from "./problem.js";

// The text and the corrected entities: {text, entities: [{start, end, label}]}; offsets in UTF-16.
let lesson = null;

/**
 * Give the panel for an answer.
 * @param labels that the model has; others may be typed.
 * @param options {key, model, taught}: the key, the model's name if there are several, and what to
 *     do once something is taught.
 */
export function teachPanel(text, entities, labels, { key, model, taught }) {
  if (lesson?.text !== text) lesson = { text, entities: entities.map(bare) };
  const rows = element("ul", { class: "lesson" });
  const words = element("input", { id: "teach-words", autocomplete: "off", dir: "auto" });
  const label = element("input", { id: "teach-label", list: "teach-labels", size: "10",
    autocomplete: "off", value: labels[0] ?? "" });
  const options = labels.map((name) => element("option", { value: name }));
  const add = element("button", { type: "submit" }, "Add");
  const form = element("form", { class: "actions" },
    element("label", { for: "teach-words" }, "Words"), words,
    element("label", { for: "teach-label" }, "Label"), label,
    element("datalist", { id: "teach-labels" }, ...options), add);

  function showRows() {
    rows.replaceChildren(...lesson.entities.map((entity) => row(text, entity, showRows)));
    if (!lesson.entities.length) {
      rows.append(element("li", { class: "quiet" }, "No entities: the text has none."));
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (addEntity(text, words.value.trim(), label.value.trim())) {
      words.value = "";
      showRows();
    }
  });
  words.addEventListener("focus", () => {
    const chosen = String(getSelection()).trim();
    if (chosen && !words.value && text.includes(chosen)) words.value = chosen;
  });

  async function send(ask, field, told) {
    showProblem(null);
    const request = { offset_unit: "utf16", [field]: [lesson] };
    if (model) request.model = model;
    try {
      await ask(request, { key: key() });
    } catch (error) {
      showProblem(error);
      return;
    }
    find("status").textContent = told;
    if (field === "examples") {
      lesson = null;
      taught();
    }
  }

  const teach = element("button", { type: "button", class: "main" }, "Teach");
  teach.addEventListener("click", () => send(remember, "examples", "Taught."));
  const feedback = element("button", { type: "button" }, "Send as feedback");
  feedback.addEventListener("click", () => send(suggest, "feedback", "Feedback stored."));
  showRows();
  return [
    element("p", { class: "hint" }, "Correct the names of this text, then teach it: the memory of ",
      "the service finds them from then on. Feedback waits for the next training. What is not in ",
      "the list is no name."),
    rows, form, element("div", { class: "actions" }, teach, feedback),
  ];
}

function row(text, entity, changed) {
  const name = text.slice(entity.start, entity.end);
  const label = element("input", { list: "teach-labels", size: "10", value: entity.label,
    autocomplete: "off", "aria-label": `Label of ${name}` });
  label.addEventListener("change", () => {
    entity.label = label.value.trim();
  });
  const remove = element("button", { type: "button", class: "small",
    "aria-label": `Remove ${name}` }, "Remove");
  remove.addEventListener("click", () => {
    lesson.entities = lesson.entities.filter((other) => other !== entity);
    changed();
  });
  return element("li", {}, element("bdi", {}, name), " ", label, " ", remove);
}

/** Add the first place of the words that is free; tells whether there was one. */
function addEntity(text, words, label) {
  if (!words || !label) return false;
  for (let start = text.indexOf(words); start >= 0; start = text.indexOf(words, start + 1)) {
    const end = start + words.length;
    if (lesson.entities.every((other) => other.end <= start || other.start >= end)) {
      lesson.entities = [...lesson.entities, { start, end, label }]
        .sort((one, other) => one.start - other.start);
      find("status").textContent = `${count(lesson.entities.length, "entity", "entities")} to teach.`;
      return true;
    }
  }
  find("status").textContent = "These words are not in the text, or are in the list already.";
  return false;
}

const bare = ({ start, end, label }) => ({ start, end, label });
