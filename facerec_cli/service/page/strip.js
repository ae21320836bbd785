// Several photos side by side: who is in each, and only those of one person where that is asked for.

import { button, fill, h, icon } from "./dom.js";
import { texts } from "./texts.js";

const MOST_NAMES = 24;

/** The strip: `{element, draw(items, current, decisionsOf)}`; `open(item)` is called where a photo is chosen, `clear()` where all are put away. */
export function photoStrip(open, clear) {
  const entries = new Map();
  let wanted = null;
  let drawn = [];
  const filter = h("div", { class: "row filter", role: "group", "aria-label": texts.strip.filter });
  const list = h("ul", { class: "strip", "aria-label": texts.strip.title, onkeydown: pressed });
  const head = h("div", { class: "strip-head" }, filter, button(texts.strip.clear, clear, { icon: "remove", bare: true, look: "small quiet round" }));
  const element = h("section", { class: "strip-area", "aria-label": texts.strip.title }, head, list);

  function entryOf(item) {
    if (!entries.has(item)) {
      const picture = h("span", { class: "thumbnail" }, icon("photo"));
      item.thumbnail.then((canvas) => canvas && fill(picture, canvas));
      const who = h("span", { class: "who" });
      const opener = h("button", { type: "button", class: "strip-photo", onclick: () => open(item) }, picture, who);
      entries.set(item, { element: h("li", {}, opener), opener, who });
    }
    return entries.get(item);
  }

  function draw(items, current, decisionsOf) {
    drawn = [items, current, decisionsOf];
    const kinds = new Map(items.map((item) => [item, kindsOf(item, decisionsOf(item))]));
    if (wanted && ![...kinds.values()].some((some) => some.has(wanted))) wanted = null;
    drawFilter([...kinds.values()]);
    const shown = items.filter((item) => !wanted || kinds.get(item).has(wanted));
    for (const item of [...entries.keys()].filter((item) => !items.includes(item))) entries.delete(item);
    const elements = shown.map((item) => drawEntry(item, item === current, decisionsOf(item)));
    if (elements.length !== list.children.length || elements.some((one, place) => list.children[place] !== one)) fill(list, elements);
    const first = shown.includes(current) ? current : shown[0];
    for (const [item, { opener }] of entries) opener.tabIndex = item === first ? 0 : -1;
  }

  function drawEntry(item, isCurrent, decisions) {
    const { element: entry, opener, who } = entryOf(item);
    who.textContent = texts.strip.who(item, decisions);
    opener.classList.toggle("failed", Boolean(item.error));
    opener.classList.toggle("pending", item.isPending && !item.result);
    opener.setAttribute("aria-label", texts.strip.photo(item.file.name, who.textContent));
    if (isCurrent) opener.setAttribute("aria-current", "true");
    else opener.removeAttribute("aria-current");
    return entry;
  }

  function drawFilter(kinds) {
    const counts = new Map();
    for (const some of kinds) for (const kind of some) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const most = [...counts].sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0])).slice(0, MOST_NAMES);
    const focused = document.activeElement?.dataset.kind;
    fill(filter, chip("", texts.strip.all, kinds.length), most.map(([kind, count]) => chip(kind, texts.strip.kind(kind), count)));
    if (focused !== undefined) [...filter.children].find((one) => one.dataset.kind === focused)?.focus();
  }

  function chip(kind, label, count) {
    const choose = () => {
      wanted = kind || null;
      draw(...drawn);
      const [items, current, decisionsOf] = drawn;
      const first = items.find((item) => !wanted || kindsOf(item, decisionsOf(item)).has(wanted));
      if (first && wanted && !kindsOf(current, decisionsOf(current)).has(wanted)) open(first);
    };
    const isOn = (wanted ?? "") === kind;
    return h("button", { type: "button", class: "button small pill", "data-kind": kind, "aria-pressed": String(isOn), onclick: choose }, h("span", { class: "pill-name" }, label), h("span", { class: "count number" }, count));
  }

  /** One stop of the Tab key; the arrows go from photo to photo. */
  function pressed(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const buttons = [...list.querySelectorAll("button")];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (!step || !next) return;
    event.preventDefault();
    next.focus();
    next.click();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  return { element, draw };
}

/** What a photo can be asked for by: "=name" of each who is in it, "?" for unknown faces, "0" for none, "!" for not readable. */
function kindsOf(item, decisions) {
  if (item.error) return new Set(["!"]);
  if (!item.result) return new Set();
  if (!decisions.length) return new Set(["0"]);
  return new Set(decisions.map((decision) => (decision.isKnown ? `=${decision.name}` : "?")));
}
