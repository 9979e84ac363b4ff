// Text files: dropped on the form or opened by the button.

import { count } from "./dom.js";
import { Problem } from "./api.js";

// Bytes. What is longer than a million characters the service refuses anyway, unless told otherwise.
const LARGEST = 4 * 1024 * 1024;

/** Let files come in; `took` gets the text, `refused` a Problem. */
export function takeFiles({ form, button, input, took, refused }) {
  const take = async (file) => {
    try {
      took(await textOf(file));
    } catch (error) {
      refused(error instanceof Problem ? error : new Problem(`${file.name} cannot be read`));
    }
  };
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files.length) take(input.files[0]);
    input.value = ""; // so that the same file can be opened again
  });
  // A file that misses the form would otherwise replace the page.
  for (const kind of ["dragover", "drop"]) {
    addEventListener(kind, (event) => hasFiles(event) && event.preventDefault());
  }
  form.addEventListener("dragover", (event) => {
    form.classList.toggle("dropping", hasFiles(event));
  });
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) form.classList.remove("dropping");
  });
  form.addEventListener("drop", (event) => {
    form.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) take(file);
  });
}

async function textOf(file) {
  if (file.size > LARGEST) {
    const detail = `It has ${count(file.size, "byte")}; the page takes ${count(LARGEST, "byte")}. `;
    throw new Problem(`${file.name} is too long`, { detail: `${detail}The API takes more.` });
  }
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Problem(`${file.name} is not text in UTF-8`);
  }
  if (text.includes("\0")) throw new Problem(`${file.name} is not a text file`);
  return text;
}
