// A person's name becomes a field where it stands: Enter keeps what is written, Escape what was.

import { api } from "./api.js";
import { button, fill, h, uniqueId } from "./dom.js";
import { mergePeople } from "./merge.js";
import { texts } from "./texts.js";

const EDGE = 12;

/**
 * Put a field in the place of `element` until the name is decided. `renamed(person)` is called with the name kept, and
 * `merged(person)` where the name was another person's, and the two are one now.
 */
export function rename(element, person, { renamed, merged }) {
  const id = uniqueId("rename");
  const input = h("input", {
    class: "input", value: person.name, maxlength: "200", autocomplete: "off", spellcheck: "false",
    "aria-label": texts.people.newName(person.name), "aria-describedby": id, onkeydown: pressed, onblur: left,
  });
  const told = h("div", { id, class: "rename-told", role: "alert" });
  const field = h("div", { class: "rename", draggable: "false" }, input, told);
  let isOver = false;

  function pressed(event) {
    event.stopPropagation();
    if (event.key === "Escape") end();
    else if (event.key === "Enter") keep();
    else return;
    event.preventDefault();
  }

  function left(event) {
    if (input.value.trim() === person.name && !field.contains(event.relatedTarget)) end({ focus: false });
  }

  async function keep() {
    const name = input.value.trim();
    if (name === person.name) return end();
    input.readOnly = true;
    try {
      const changed = await api.patch(`/people/${person.id}`, { name });
      end();
      return renamed(changed);
    } catch (problem) {
      if (problem.name !== "Problem") throw problem;
      input.setAttribute("aria-invalid", "true");
      tell(h("p", {}, problem.detail), problem.slug === "name-taken" && (await mergeOffer(name)));
      return input.focus();
    } finally {
      input.readOnly = false;
    }
  }

  function tell(...content) {
    fill(told, ...content);
    const over = told.getBoundingClientRect().right - parseFloat(getComputedStyle(told).left) + EDGE - document.documentElement.clientWidth;
    told.style.setProperty("left", `${-Math.max(0, over)}px`);
  }

  async function mergeOffer(name) {
    const other = await personNamed(name);
    if (!other || other.id === person.id) return null;
    const merge = async () => {
      const both = await mergePeople(person, other);
      if (!both) return;
      end({ focus: false });
      merged(both);
    };
    return button(texts.people.mergeWith(other.name), merge, { icon: "merge", look: "small" });
  }

  function end({ focus = true } = {}) {
    if (isOver) return;
    isOver = true;
    field.replaceWith(element);
    if (focus) (element.closest("a, button") ?? element.parentElement.querySelector("a, button"))?.focus();
  }

  element.replaceWith(field);
  input.focus();
  input.select();
}

/** Who has a name, as the service writes names: in composed letters, with one space between words. */
async function personNamed(name) {
  const written = name.normalize("NFC").split(/\s+/u).join(" ");
  const { people } = await api.get("/people", { query: { search: written } });
  return people.find((person) => person.name === written) ?? null;
}
