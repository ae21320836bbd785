// What is taken away with a way back: the request is sent once the notice that offers to undo it is gone.

import { api, beforeChange } from "./api.js";
import { notice, noticeProblem } from "./notices.js";
import { texts } from "./texts.js";

/** The paths that go: how each is sent at once, and how the notice that offers to undo it is closed. */
const going = new Map();

/** The paths that are gone: no id is used twice, and a list may have been asked for while its member went. */
const left = new Set();

/** Whether what is under a path is gone, or on its way. */
export const isGoing = (path) => going.has(path) || left.has(path);

/**
 * Remove what is under `path`, and say so. `back` is called where that is undone or refused, `gone` once it is done; the
 * caller has taken it off the view already.
 */
export function removeLater(path, text, { back, gone = () => null }) {
  const send = async (options = {}) => {
    try {
      await api.delete(path, options);
    } catch (error) {
      // Somebody else may have removed it.
      if (error.status !== 404) {
        undo();
        return noticeProblem(error);
      }
    }
    going.delete(path);
    left.add(path);
    // No face stays in the tab that is gone.
    api.forget(`${path}/`);
    return gone();
  };
  const undo = () => {
    going.delete(path);
    back();
  };
  let sent = null;
  const close = notice(text, { action: { label: texts.undo, run: undo }, closed: (wasUndone) => { if (!wasUndone) sent = send(); } });
  going.set(path, {
    send,
    now() {
      close();
      return sent;
    },
  });
}

// Who is enrolled again, or merged with, while a removal can still be undone would go with it: it is sent first.
beforeChange(() => Promise.all([...going.values()].map(({ now }) => now())));

addEventListener("pagehide", () => {
  for (const { send } of going.values()) send({ keepalive: true });
});
