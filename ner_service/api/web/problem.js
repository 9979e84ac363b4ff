// What went wrong, in plain words.

import { Problem } from "./api.js";
import { count, element, find } from "./dom.js";

/** Show a problem, or none; asks for a key where that is what is missing. */
export function showProblem(problem) {
  const place = find("problem");
  place.hidden = !problem;
  place.replaceChildren();
  if (!problem) return;
  find("status").textContent = "";
  place.append(...(problem instanceof Problem ? told(problem) : fault(problem)));
  if (problem.status === 401) askForKey({ focus: true });
  else place.scrollIntoView({ block: "nearest" });
}

export function askForKey({ focus = false } = {}) {
  find("key-field").hidden = false;
  if (focus) find("key").focus();
}

function told({ message, detail, faults, retryAfter, requestId }) {
  const seconds = Number(retryAfter);
  const lines = faults.length ? faults.map((one) => `${one.field}: ${one.message}`) : [detail];
  if (seconds) lines.push(`Try again in ${count(seconds, "second")}.`);
  return [
    element("strong", {}, message),
    ...lines.filter(Boolean).map((line) => element("p", {}, line)),
    ...(requestId ? [element("p", { class: "hint" }, `Request ${requestId}`)] : []),
  ];
}

// Not the service's: ours. The console has the rest.
function fault(error) {
  console.error(error);
  return [element("strong", {}, "The page failed"), element("p", {}, String(error))];
}
