// Questions in a <dialog>: the browser keeps the focus inside, Escape cancels, and the focus goes back to where it was.

import { button, fill, h, uniqueId } from "./dom.js";
import { texts } from "./texts.js";

/**
 * Ask; resolves to what `submit` returns, or to null where the question is cancelled.
 *
 * `content` are elements between the title and the buttons; `submit` is called with the form and may throw a Problem, whose
 * sentence is shown while the dialog stays. `look` is of the confirming button; `roomy` lets suggestions hang out below.
 */
export function ask(title, content, { confirm, submit = () => true, look = "main", roomy = false }) {
  return new Promise((resolve) => {
    const id = uniqueId("dialog");
    const error = h("div", { role: "alert" });
    const yes = h("button", { class: `button ${look}` }, confirm);
    let answer = null;

    async function send(event) {
      event.preventDefault();
      fill(error);
      yes.disabled = true;
      try {
        answer = await submit(form);
        dialog.close();
      } catch (problem) {
        if (problem.name !== "Problem") throw problem;
        fill(error, h("p", { class: "note danger" }, problem.detail));
      } finally {
        yes.disabled = false;
      }
    }
    function done() {
      dialog.remove();
      resolve(answer);
    }

    const form = h("form", { onsubmit: send }, h("h2", { id }, title), content, error, h("div", { class: "row" }, button(texts.cancel, () => dialog.close()), yes));
    const dialog = h("dialog", { class: roomy ? "roomy" : "", "aria-labelledby": id, onclose: done }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}
