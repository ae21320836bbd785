// Who came and went before a live source: a line a stay, the last one first.

import { fill, h } from "./dom.js";
import { announce } from "./notices.js";
import { texts } from "./texts.js";

const MOST = 300;

/**
 * The list: `{element, hear(event), see(present)}`, where `present` are those who are there now; `canName` says whether strangers are
 * remembered, to be named.
 */
export function visitList({ canName }) {
  const words = texts.live;
  const byVisit = new Map();
  const list = h("ol", { class: "visits", "aria-label": words.visits });
  const none = h("p", { class: "small-print" }, words.nobodyYet);
  const element = h("section", { class: "card stack", "aria-label": words.visits }, h("h2", {}, words.visits), none, list);

  function hear(event) {
    let row = byVisit.get(event.visit);
    if (!row || (event.event === "arrived" && row.hasLeft)) {
      row = { element: h("li", { class: "visit" }), stay: h("span"), hasLeft: false };
      byVisit.set(event.visit, row);
      list.prepend(row.element);
      none.hidden = true;
      while (list.children.length > MOST) list.lastElementChild.remove();
    }
    row.hasLeft = event.event === "left";
    row.stay.hidden = false;
    draw(row, event);
  }

  function draw(row, event) {
    const isUnknown = event.name === UNKNOWN;
    const name = words.nameOf(event);
    const image = h("img", { src: pictureOf(event.chip), alt: "", width: 56, height: 56 });
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    fill(
      row.element,
      image,
      h(
        "div",
        {},
        h("p", { class: isUnknown ? "visit-name muted" : "visit-name" }, name),
        h("p", { class: "small-print number" }, event.time && h("time", { datetime: event.time }, words.clock(event.time)), row.stay),
      ),
      isUnknown && canName && event.stranger !== null && h("a", { class: "button small", href: "#/strangers", "aria-label": words.nameWhom(name) }, words.name),
    );
    fill(row.stay, " · ", row.hasLeft ? words.stayed(event.seconds) : words.stillThere);
    if (!row.hasLeft) announce(words.came(name));
  }

  /** A visit that turned out to be another's is not there any more, and nobody says that it is over. */
  function see(present) {
    const there = new Set(present.map(({ visit }) => visit));
    for (const [visit, row] of byVisit) if (!row.hasLeft) row.stay.hidden = !there.has(visit);
  }

  return { element, hear, see };
}

const UNKNOWN = "unknown";

function pictureOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
}
