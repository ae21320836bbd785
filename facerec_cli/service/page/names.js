// A field for a person's name that suggests those enrolled: a combobox as the ARIA Authoring Practices have it.

import { api } from "./api.js";
import { fill, h, uniqueId } from "./dom.js";
import { texts } from "./texts.js";

const WAIT = 120;
const SUGGESTIONS = 6;

/**
 * A labelled field: `{element, input, get value()}`. `chosen(person)` is called where a suggestion is taken, and with null
 * where the text is anybody's again; `without` is the id of a person that is not suggested.
 */
export function nameField(label, { value = "", placeholder = "", chosen = () => null, without = null } = {}) {
  const [inputId, listId] = [uniqueId("name"), uniqueId("names")];
  let people = [];
  let current = -1;
  let timer = null;
  let turn = 0;

  const list = h("div", { class: "options", id: listId, role: "listbox", "aria-label": texts.names.suggestions, hidden: true });
  const input = h("input", {
    class: "input", id: inputId, value, placeholder, role: "combobox", autocomplete: "off", autocapitalize: "words", spellcheck: "false",
    required: true, maxlength: "200", "aria-expanded": "false", "aria-controls": listId, "aria-autocomplete": "list",
    oninput: typed, onkeydown: pressed, onblur: close,
  });
  const element = h("div", { class: "field" }, h("label", { for: inputId }, label), h("div", { class: "combo" }, input, list));

  function typed() {
    chosen(null);
    clearTimeout(timer);
    timer = setTimeout(suggest, WAIT);
  }

  async function suggest() {
    const search = input.value.trim();
    const asked = ++turn;
    if (!search) return close();
    const found = await api.get("/people", { query: { search, limit: SUGGESTIONS + 1 } });
    if (asked !== turn || document.activeElement !== input) return null;
    people = found.people.filter((person) => person.id !== without).slice(0, SUGGESTIONS);
    if (!people.length || (people.length === 1 && people[0].name === search)) return close();
    fill(list, people.map(option));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    return mark(-1);
  }

  function option(person, index) {
    const picture = h("img", { alt: "", width: 34, height: 34 });
    api.picture(`/people/${person.id}/chip`).then((url) => { picture.src = url; }, () => null);
    const take = (event) => {
      event.preventDefault();
      choose(index);
    };
    return h("div", { id: `${listId}-${index}`, role: "option", "aria-selected": "false", onmousedown: take }, picture, person.name);
  }

  function pressed(event) {
    const isOpen = !list.hidden;
    if (event.key === "ArrowDown" && !isOpen) suggest();
    else if (event.key === "ArrowDown") mark((current + 1) % people.length);
    else if (event.key === "ArrowUp" && isOpen) mark(current > 0 ? current - 1 : people.length - 1);
    else if (event.key === "Enter" && isOpen && current >= 0) choose(current);
    else if (event.key === "Escape" && isOpen) close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function mark(index) {
    current = index;
    for (const [place, one] of [...list.children].entries()) one.setAttribute("aria-selected", String(place === index));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[index].id);
  }

  function choose(index) {
    input.value = people[index].name;
    chosen(people[index]);
    close();
  }

  function close() {
    clearTimeout(timer);
    turn += 1;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    current = -1;
  }

  return { element, input, get value() { return input.value.trim(); } };
}
