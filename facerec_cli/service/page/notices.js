// Short messages at the foot of the page, and what only a screen reader hears.

import { button, h } from "./dom.js";
import { texts } from "./texts.js";

const SECONDS = 8;

/**
 * Show a message for some seconds; longer where it is pointed at or has the focus. Errors stay until they are closed.
 *
 * `kind` is "info" or "error"; `action` {label, run} a button; `closed` is called once it is gone, with whether the action was
 * taken: what can be undone is done there, as in `notice("Removed", {action: {label: texts.undo, run: show}, closed: send})`.
 * Returns a function that closes it.
 */
export function notice(text, { kind = "info", action = null, closed = null } = {}) {
  const isError = kind === "error";
  let timer = null;

  function close(wasTaken) {
    if (!toast.isConnected) return;
    stop();
    toast.remove();
    closed?.(wasTaken);
  }
  function wait() {
    stop();
    if (!isError) timer = setTimeout(() => close(false), SECONDS * 1000);
  }
  function stop() {
    clearTimeout(timer);
  }
  function act() {
    close(true);
    action.run();
  }

  const toast = h(
    "div",
    { class: `toast ${kind}`, role: isError ? "alert" : "status", onmouseenter: stop, onmouseleave: wait, onfocusin: stop, onfocusout: wait },
    h("p", {}, text),
    action && button(action.label, act, { look: "small action" }),
    button(texts.close, () => close(false), { icon: "close", bare: true, look: "small round" }),
  );
  document.getElementById("toasts").append(toast);
  wait();
  return () => close(false);
}

/** Show what went wrong: a problem's sentence; what is no problem of the service is a fault of the page, and thrown on. */
export function noticeProblem(error) {
  if (error.name === "AbortError") return;
  if (error.name !== "Problem") throw error;
  notice(error.detail, { kind: "error" });
}

/** Say something to a screen reader alone. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}
