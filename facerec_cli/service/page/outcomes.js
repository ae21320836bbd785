// What became of photos that were to be enrolled, as far as somebody should know: the refused, the doubtful.

import { h } from "./dom.js";
import { texts } from "./texts.js";

/** A line of the list, or null where all is well: `outcome` is that of POST /people. */
export function outcomeLine(outcome) {
  const words = texts.outcomes;
  const told = [
    outcome.error,
    outcome.unlike_distance !== null && words.unlike(outcome.name, outcome.unlike_distance),
    outcome.lookalike && words.lookalike(outcome.lookalike, outcome.lookalike_distance),
    outcome.complaint && words.poor(outcome.complaint),
    outcome.note && texts.identify.noted(outcome.note),
  ].filter(Boolean);
  if (!told.length) return null;
  const kind = outcome.error ? "danger" : "warn";
  return h(
    "li",
    { class: `outcome ${kind}` },
    h("span", { class: `tag ${kind}` }, outcome.error ? words.refused : words.look),
    h("div", {}, h("p", { class: "outcome-photo" }, outcome.photo, " ", h("span", { class: "muted" }, words.of(outcome.name))), told.map((text) => h("p", { class: "small-print" }, text))),
  );
}

/** How many photos were enrolled, were enrolled already, and were refused, as a sentence. */
export function outcomeSummary(outcomes) {
  const number = (status) => outcomes.filter((outcome) => outcome.status === status).length;
  return texts.outcomes.summary(number("enrolled"), number("already enrolled"), number("refused"));
}
