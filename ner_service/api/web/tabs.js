// Tabs after the pattern of the ARIA authoring practices: one stop for Tab, arrows between them.
// https://www.w3.org/WAI/ARIA/apg/patterns/tabs/

import { find } from "./dom.js";

/** Let a list of tabs choose among its panels; `shown` is called with the panel's id. */
export function makeTabs(list, shown) {
  const tabs = [...list.querySelectorAll("[role=tab]")];

  function choose(tab) {
    for (const other of tabs) {
      const isChosen = other === tab;
      other.setAttribute("aria-selected", String(isChosen));
      other.tabIndex = isChosen ? 0 : -1;
      find(other.getAttribute("aria-controls")).hidden = !isChosen;
    }
    shown(tab.getAttribute("aria-controls"));
  }

  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) choose(tab);
  });
  list.addEventListener("keydown", (event) => {
    const place = tabs.indexOf(event.target);
    const to = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: tabs.length - 1 };
    if (place < 0 || !(event.key in to)) return;
    event.preventDefault();
    const tab = tabs[(to[event.key] + tabs.length) % tabs.length];
    tab.focus();
    choose(tab);
  });
}
