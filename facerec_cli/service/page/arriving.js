// Photos that come to the page: dropped anywhere on it, or pasted.

import { h, icon } from "./dom.js";
import { texts } from "./texts.js";

/**
 * Call `came(files, transfer)` for what is dropped or pasted until `signal`; folders are in the transfer alone. Returns the
 * hint to show while something is dragged.
 */
export function photosArriving(came, signal, text = texts.identify.dropNow) {
  const hint = h("div", { class: "drop-hint", hidden: true, "aria-hidden": "true" }, icon("upload", "large"), text);
  let depth = 0;

  function entered(event) {
    if (!hasFiles(event)) return;
    depth += 1;
    hint.hidden = false;
  }
  function gone() {
    depth = Math.max(depth - 1, 0);
    hint.hidden = depth === 0;
  }
  function over(event) {
    if (hasFiles(event)) event.preventDefault();
  }
  function dropped(event) {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    hint.hidden = true;
    came([...event.dataTransfer.files], event.dataTransfer);
  }
  function pasted(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    came(files, event.clipboardData);
  }

  addEventListener("dragenter", entered, { signal });
  addEventListener("dragleave", gone, { signal });
  addEventListener("dragover", over, { signal });
  addEventListener("drop", dropped, { signal });
  addEventListener("paste", pasted, { signal });
  return hint;
}

function hasFiles(event) {
  return event.dataTransfer?.types.includes("Files");
}
