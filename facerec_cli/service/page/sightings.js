// Where somebody was seen: sources with times, latest first.

import { h } from "./dom.js";
import { texts } from "./texts.js";

/** A list of {source, seen}. */
export function sightingsList(sightings) {
  const latest = [...sightings].sort((a, b) => (a.seen < b.seen ? 1 : -1));
  return h(
    "ul",
    { class: "sightings" },
    latest.map(({ source, seen }) => h("li", {}, h("span", {}, source), h("time", { class: "muted number", datetime: seen }, texts.moment(seen)))),
  );
}
