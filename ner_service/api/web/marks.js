// Entities in the text. Offsets count UTF-16 units, which is what JavaScript's strings count.

import { element } from "./dom.js";

// Units of text shown at once: a million of them would take the browser seconds to lay out.
export const PAGE_UNITS = 50_000;
const HUES = 8;

/** Tell where the part that begins at `start` ends: after a line or word, not inside a name. */
export function pageEnd(text, entities, start, units = PAGE_UNITS) {
  if (text.length - start <= units) return text.length;
  const limit = start + units;
  let end = limit;
  for (const separator of ["\n", " "]) {
    const found = text.lastIndexOf(separator, limit - 1) + 1;
    if (found > start + units / 2) {
      end = found;
      break;
    }
  }
  const cut = entities.find((entity) => entity.start < end && entity.end > end);
  if (cut) return cut.end;
  return isLowSurrogate(text.charCodeAt(end)) ? end + 1 : end;
}

/** Give text[start:end] with the entities inside it marked. */
export function markedText(text, entities, start, end, hueOf) {
  const fragment = document.createDocumentFragment();
  let position = start;
  for (const entity of entities) {
    if (entity.start < position || entity.end > end) continue;
    fragment.append(text.slice(position, entity.start), mark(text, entity, hueOf(entity.label)));
    position = entity.end;
  }
  fragment.append(text.slice(position, end));
  return fragment;
}

/** Give the class that colours each label, by the label's place in the list. */
export function hues(labels) {
  const places = new Map(labels.map((label, index) => [label, index % HUES]));
  return (label) => `hue-${places.get(label) ?? HUES - 1}`;
}

function mark(text, entity, hue) {
  const made = element(
    "mark",
    { class: hue, title: `${entity.label}, score ${entity.score}` },
    text.slice(entity.start, entity.end),
    element("span", { class: "chip" }, entity.label),
  );
  made.style.setProperty("--score", entity.score);
  return made;
}

const isLowSurrogate = (unit) => unit >= 0xdc00 && unit <= 0xdfff;
