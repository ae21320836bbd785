// Two people who are one: which of the two names stays is asked with both faces side by side.

import { Problem, api } from "./api.js";
import { chip } from "./chip.js";
import { ask } from "./dialog.js";
import { button, fill, h, icon } from "./dom.js";
import { nameField } from "./names.js";
import { notice } from "./notices.js";
import { texts } from "./texts.js";

/**
 * Ask for a merge, and do it. `into` may be null: it is asked for then.
 * @returns the person that both are now, with `gone`: the id that is no more; null where nothing was merged
 */
export async function mergePeople(person, into = null) {
  let [from, to] = [person, into];
  const faces = h("div", { class: "merging" });
  const sentence = h("p", { "aria-live": "polite" });
  const swap = button(texts.people.otherWay, turn, { icon: "swap", look: "small" });

  function draw() {
    fill(faces, side(from), icon("next", "large"), side(to));
    fill(sentence, to ? texts.people.mergeTells(from.name, to.name, from.photos) : texts.people.mergeAsks(from.name));
    swap.hidden = !to;
  }
  function turn() {
    [from, to] = [to, from];
    draw();
  }
  function choose(chosen) {
    // Turned round or not, the one asked about is `person`.
    [from, to] = [person, chosen];
    draw();
  }
  async function submit() {
    if (!to) throw new Problem(0, "invalid", texts.people.mergeWhom);
    const both = await api.post(`/people/${from.id}/merge`, { into: to.id });
    return { ...both, gone: from.id };
  }

  const field = into ? null : nameField(texts.people.mergeField, { chosen: choose, without: person.id }).element;
  draw();
  const both = await ask(texts.people.merge, [field, faces, sentence, swap], { confirm: texts.people.mergeDo, submit, roomy: !into });
  if (both) {
    api.forget(`/people/${both.gone}/`);
    notice(texts.people.merged(from.name, both.name));
  }
  return both;
}

function side(person) {
  if (!person) return h("figure", {}, h("div", { class: "blank" }, icon("people", "large")), h("figcaption", { class: "muted" }, texts.people.nobodyYet));
  return h(
    "figure",
    {},
    chip(`/people/${person.id}/chip`),
    h("figcaption", {}, h("span", { class: "chip-name" }, person.name), h("span", { class: "chip-detail" }, texts.photos(person.photos))),
  );
}
