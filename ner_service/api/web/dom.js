// Small helpers. Text always goes in as text: nothing here, or elsewhere, takes HTML.

export const find = (id) => document.getElementById(id);

/** Make an element with attributes and children; a string becomes a text node. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

/** Give the function that does `work` once before the next frame, however often it is asked to. */
export function oncePerFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

export const count = (number, noun, plural = `${noun}s`) =>
  `${number.toLocaleString("en")} ${number === 1 ? noun : plural}`;

/** Give a button that copies what `content` returns, and says so. */
export function copyButton(name, content) {
  const button = element("button", { type: "button" }, name);
  button.addEventListener("click", async () => {
    const done = await copy(content());
    button.textContent = done ? "Copied" : "Not copied";
    find("status").textContent = done ? "Copied." : "The browser does not allow copying.";
    setTimeout(() => {
      button.textContent = name;
    }, 2000);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text);
  }
}

// Over plain HTTP a browser has no clipboard interface, but it copies what is selected.
function copyTheOldWay(text) {
  const focused = document.activeElement;
  const box = element("textarea", { class: "unseen", "aria-hidden": "true", tabindex: "-1" });
  box.value = text;
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  focused?.focus();
  return done;
}
