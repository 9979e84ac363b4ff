// The tables of entities and of tokens, some rows at a time.

import { count, element } from "./dom.js";

const ROWS = 200;
// Neighbours of an entity that are told.
const SHOWN = 5;

export function entityTable(entities, hueOf) {
  if (!entities.length) return [element("p", { class: "quiet" }, "No entities to show.")];
  const columns = ["Entity", "Label", "Start", "End", "Score", "Source"];
  const isExplained = entities.some((entity) => entity.explanation);
  if (isExplained) columns.push("Other labels", "Neighbours in memory");
  return table("Entities", columns, entities, (entity) => [
    element("th", { scope: "row", dir: "auto" }, entity.text),
    element("td", {}, element("span", { class: `chip ${hueOf(entity.label)}` }, entity.label)),
    number(entity.start),
    number(entity.end),
    number(entity.score),
    element("td", {}, entity.chosen === false ? "candidate" : entity.source ?? "model"),
    ...(isExplained ? [runnersUp(entity.explanation), neighbours(entity.explanation)] : []),
  ]);
}

/** Other labels of the same span with their probabilities. */
function runnersUp(explanation) {
  const others = Object.entries(explanation?.runners_up ?? {});
  return element("td", {}, others.map(([label, score]) => `${label} ${score}`).join(", ") || "–");
}

/** What was taught that is like the entity's tokens: the word, its tag, and how near it is. */
function neighbours(explanation) {
  const near = (explanation?.tokens ?? []).flatMap((token) => token.neighbours ?? []).slice(0, SHOWN);
  const told = near.map((one) => `${one.text} ${one.tag} ${one.similarity.toFixed(2)}`);
  return element("td", { dir: "auto" }, told.join(", ") || "–");
}

/** The tokens with what the network is trained on: x by word_id, y by tag_id or its one-hot. */
export function tokenTable(tokens, entities, tags) {
  if (!tokens) {
    return [
      element("p", { class: "quiet" }, "For a text as long as this the page does not ask for ",
        'tokens; the API gives them with "include": ["tokens"].'),
    ];
  }
  const scores = scoresOf(tokens, entities);
  const columns = ["Token", "Start", "End", "Tag", "Score", "tag_id", "One-hot of the tag", "word_id"];
  return [
    element("p", { class: "hint" }, ...legend(tokens, tags)),
    ...table("Tokens", columns, tokens, (token, index) => [
      element("th", { scope: "row", dir: "auto" }, token.text),
      number(token.start),
      number(token.end),
      element("td", { class: token.tag_id ? "tag" : "tag quiet" }, token.tag),
      scores[index] === undefined ? element("td", { class: "number quiet" }, "–") : number(scores[index]),
      number(token.tag_id),
      oneHot(token.one_hot),
      number(token.word_id),
    ]),
  ];
}

function legend(tokens, tags) {
  const shown = tokens.slice(0, 40).map((token) => token.tag_id);
  const more = tokens.length > shown.length ? ", …" : "";
  return [
    "As numbers, y is ",
    element("code", {}, `[${shown.join(", ")}${more}]`),
    ": each token's tag_id, 0 for what is no name. word_id is the place of the 1 in the word's ",
    "one-hot vector.",
    ...(tags.length ? [" Tags in the order of their ids: ", element("code", {}, tags.join(" "))] : []),
  ];
}

/** Give each token the score of the entity that it lies in. Both are in the order of the text. */
function scoresOf(tokens, entities) {
  let next = 0;
  return tokens.map((token) => {
    while (next < entities.length && entities[next].end <= token.start) next += 1;
    const entity = entities[next];
    return entity && entity.start <= token.start ? entity.score : undefined;
  });
}

function oneHot(values) {
  const cell = element("td", { class: "one-hot" });
  const place = values.indexOf(1);
  cell.append(
    "0 ".repeat(place),
    element("b", {}, "1"),
    " 0".repeat(values.length - place - 1),
  );
  return cell;
}

const number = (value) => element("td", { class: "number" }, String(value));

function table(name, columns, items, cells) {
  const body = element("tbody");
  const head = element("tr", {}, ...columns.map((column) => element("th", { scope: "col" }, column)));
  const made = element("table", { "aria-label": name }, element("thead", {}, head), body);
  const told = element("span");
  const button = element("button", { type: "button" }, "Show more");
  const more = element("p", { class: "more" }, told, " ", button);

  function addRows() {
    const first = body.rows.length;
    const added = items.slice(first, first + ROWS);
    body.append(...added.map((item, index) => element("tr", {}, ...cells(item, first + index))));
    told.textContent = `${body.rows.length.toLocaleString("en")} of ${count(items.length, "row")}.`;
    more.hidden = body.rows.length === items.length;
  }

  button.addEventListener("click", addRows);
  addRows();
  // What scrolls has to be reachable by keyboard.
  const frame = { class: "scroll", tabindex: "0", role: "region", "aria-label": `${name}, table` };
  return [element("div", frame, made), more];
}
