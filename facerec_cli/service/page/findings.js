// What needs a look, as `people check` tells it: asked once, and again after people have changed.

import { api } from "./api.js";

let asked = null;

/** All findings; see GET /people/check. */
export function findings() {
  asked ??= api.get("/people/check").then((answer) => answer.findings);
  asked.catch(outdate);
  return asked;
}

/** Forget what was found: people have changed. */
export function outdate() {
  asked = null;
}

/** Those of one kind, "alike" apart, are about photos. */
export const isOfPhoto = (finding) => finding.finding !== "alike";
