// The answer as JSON and the request as a command for the shell.

import { copyButton, count, element } from "./dom.js";

// Units of a line, and of the JSON that is shown; copying gives all of it.
const LINE = 170;
const SHOWN = 100_000;
// Systems limit how long an argument of a command may be.
const ARGUMENT = 20_000;

export function jsonPanel(answer) {
  const text = prettyJson(answer);
  return [
    element("p", { class: "more" }, copyButton("Copy JSON", () => text)),
    block("JSON of the answer", text.slice(0, SHOWN), "json"),
    ...(text.length > SHOWN
      ? [element("p", { class: "hint" }, `Shown to ${count(SHOWN, "character")}; the copy is whole.`)]
      : []),
    element("p", { class: "hint" }, "Here start and end count UTF-16 units, as JavaScript and Java ",
      "do; without offset_unit they count code points, as Python does."),
  ];
}

export function curlPanel(request, { withKey }) {
  const text = curl(request, { withKey });
  return [
    element("p", { class: "more" }, copyButton("Copy curl", () => text)),
    block("curl command", text, "curl"),
    ...(withKey
      ? [element("p", { class: "hint" }, "The key stands in the shell's variable NER_KEY.")]
      : []),
    ...(isLong(request)
      ? [element("p", { class: "hint" }, "The text is too long for a command, so jq reads it from ",
          "the file text.txt.")]
      : []),
  ];
}

/** Write JSON with what fits a line on one, and a line for each object of a list. */
export function prettyJson(value, indent = "") {
  if (!isNested(value)) return JSON.stringify(value);
  if (!hasObjects(value)) {
    const flat = flatJson(value);
    if (indent.length + flat.length <= LINE) return flat;
  }
  const inner = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((item) => inner + prettyJson(item, inner))
    : Object.entries(value).map(
        ([name, item]) => `${inner}${JSON.stringify(name)}: ${prettyJson(item, inner)}`,
      );
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

export function curl(request, { withKey, address = new URL("v1/entities", location.href).href }) {
  const send = [
    `curl -s ${quoted(address)}`,
    `-H 'Content-Type: application/json'`,
    ...(withKey ? [`-H "Authorization: Bearer $NER_KEY"`] : []),
  ];
  if (!isLong(request)) {
    return [...send, `-d ${quoted(flatJson(request))}`].join(" \\\n  ");
  }
  const { text: _, ...options } = request;
  const filter = `. as $text | ${flatJson(options)} + {"text": $text}`;
  return `jq -Rs ${quoted(filter)} text.txt |\n  ${[...send, "--data-binary @-"].join(" \\\n  ")}`;
}

const isLong = (request) => request.text.length > ARGUMENT;

// Between single quotes a shell takes everything as it stands, but for the single quote itself.
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const isNested = (value) => value !== null && typeof value === "object";

// A list of objects, or something with one in it. One look suffices: lists here are of one kind.
const hasObjects = (value) =>
  Array.isArray(value)
    ? isNested(value[0]) && !Array.isArray(value[0])
    : Object.values(value).some((item) => isNested(item) && hasObjects(item));

function flatJson(value) {
  if (Array.isArray(value)) return `[${value.map(flatJson).join(", ")}]`;
  if (!isNested(value)) return JSON.stringify(value);
  const members = Object.entries(value);
  return `{${members.map(([name, item]) => `${JSON.stringify(name)}: ${flatJson(item)}`).join(", ")}}`;
}

function block(name, text, kind) {
  const attributes = { class: `code ${kind}`, tabindex: "0", role: "region", "aria-label": name, dir: "ltr" };
  return element("pre", attributes, element("code", {}, text));
}
