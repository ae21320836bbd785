// What will be enrolled, before it is: who, how many photos, and what is left out.

import { button, fill, h, icon, uniqueId } from "./dom.js";
import { nameField } from "./names.js";
import { texts } from "./texts.js";

const SHOWN = 60;

/**
 * A card that shows what was found (see folder.js) and asks whose photos they are. `enrol(people)` is called with
 * `[{name, files}]`, `cancel()` where it is given up.
 */
export function planCard(found, { enrol, cancel }) {
  const words = texts.enrol;
  const isFolder = found.folders.length > 0;
  const hasFolders = found.people.length > 0 && isFolder;
  const group = uniqueId("whose");
  const who = nameField(words.name(found.files.length), { value: found.folders.length === 1 ? found.folders[0] : "", placeholder: words.nameExample });
  const list = h("div", { class: "plan-people" });
  const error = h("div", { role: "alert" });
  const yes = button("", submit, { look: "main", icon: "enrol" });
  let isOne = !hasFolders;

  function choice(value, text) {
    const input = h("input", { type: "radio", name: group, checked: value === isOne, onchange: () => decide(value) });
    return h("label", { class: "tick" }, input, text);
  }

  function decide(value) {
    isOne = value;
    draw();
  }

  function draw() {
    who.element.hidden = !isOne;
    const photos = isOne ? found.files.length : found.people.reduce((sum, { files }) => sum + files.length, 0);
    fill(yes, icon("enrol"), words.enrol(photos));
    yes.disabled = !photos;
    fill(list, isOne ? null : [peopleList(found.people), nestedNote(found.nested)]);
    fill(error);
  }

  function submit() {
    if (!isOne) return enrol(found.people);
    const name = who.value;
    if (name) return enrol([{ name, files: found.files }]);
    fill(error, h("p", { class: "note danger" }, words.nameMissing));
    return who.input.focus();
  }

  const element = h(
    "section",
    { class: "card plan", "aria-label": words.plan, onkeydown: (event) => event.key === "Enter" && event.target === who.input && submit() },
    h("div", {}, h("h2", { tabindex: "-1" }, words.found(found.files.length, found.folders)), leftOutLine(found.leftOut)),
    isFolder && found.files.length > 0 && h("fieldset", {}, h("legend", { class: "label" }, words.whose), choice(false, words.each(found.people.length)), choice(true, words.one)),
    found.files.length > 0 && [who.element, list, error],
    h("div", { class: "row" }, found.files.length > 0 && yes, button(texts.cancel, cancel)),
  );
  draw();
  return element;
}

function peopleList(people) {
  const words = texts.enrol;
  const rest = people.length - SHOWN;
  return h(
    "ul",
    {},
    people.slice(0, SHOWN).map(({ name, files }) => h("li", { class: "tag" }, name, h("span", { class: "number" }, files.length.toLocaleString()))),
    rest > 0 && h("li", { class: "tag" }, words.andMore(rest)),
  );
}

function nestedNote(nested) {
  return nested.length > 0 && h("p", { class: "note warn" }, texts.enrol.nested(nested));
}

function leftOutLine({ hidden, raw, other }) {
  const told = texts.enrol.leftOut(hidden, raw, other);
  return told && h("p", { class: "small-print" }, told);
}
