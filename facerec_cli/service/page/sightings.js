// Where somebody was seen: sources with times.

import { h } from "./dom.js";
import { texts } from "./texts.js";

/** A list of {source, seen}. */
export function sightingsList(sightings) {
  return h(
    "ul",
    { class: "sightings" },
    sightings.map(({ source, seen }) => h("li", {}, h("span", {}, source), h("time", { class: "muted number", datetime: seen }, texts.moment(seen)))),
  );
}
