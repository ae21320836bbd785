// A person in the grid: face, name, photos; what can be done with them by menu, by key, and by dragging.

import { chip } from "./chip.js";
import { fill, h, icon } from "./dom.js";
import { menuButton } from "./menu.js";
import { rename } from "./rename.js";
import { texts } from "./texts.js";

/** The person whose tile is being dragged. */
let dragged = null;

/**
 * A list item; `acts` has what becomes of the person: renamed(tile, person), merged(both), merge(person, into or null) and
 * remove(tile, person).
 */
export function tile(person, acts) {
  const told = h("span", { class: "chip-detail", id: `person-${person.id}` });
  const name = h("a", { class: "chip-name", href: `#/people/${person.id}`, draggable: "false", "aria-describedby": told.id }, person.name);
  const element = h(
    "li",
    { class: "chip tile", draggable: "true", "data-person": person.id, onkeydown: pressed, ondragstart: lift, ondragend: settle, ondragover: hover, ondragleave: unmark, ondrop: land },
    chip(`/people/${person.id}/chip`),
    name,
    told,
    menuButton(texts.people.actions(person.name), [
      { text: texts.people.rename, icon: "edit", run: edit },
      { text: texts.people.mergeInto, icon: "merge", run: () => acts.merge(person, null) },
      { text: texts.people.remove, icon: "remove", look: "danger", run: () => acts.remove(element, person) },
    ]),
  );
  mark(element, person, 0);

  function edit() {
    rename(name, person, { renamed: (changed) => acts.renamed(element, changed), merged: acts.merged });
  }
  function pressed(event) {
    if (event.target !== name) return;
    if (event.key === "Delete") acts.remove(element, person);
    else if (event.key === "F2") edit();
  }
  function lift(event) {
    if (!name.isConnected) return event.preventDefault();
    dragged = person;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", person.name);
    event.dataTransfer.setDragImage(element.querySelector("img"), 40, 40);
    return element.classList.add("lifted");
  }
  function settle() {
    dragged = null;
    element.classList.remove("lifted");
  }
  function hover(event) {
    if (!dragged || dragged.id === person.id) return;
    event.preventDefault();
    element.classList.add("target");
  }
  function unmark(event) {
    if (!element.contains(event.relatedTarget)) element.classList.remove("target");
  }
  function land(event) {
    element.classList.remove("target");
    if (!dragged || dragged.id === person.id) return;
    event.preventDefault();
    acts.merge(dragged, person);
  }

  return element;
}

/** Say how many photos a person has, and how many of them need a look. */
export function mark(element, person, doubtful) {
  const told = element.querySelector(".chip-detail");
  element.classList.toggle("doubtful", doubtful > 0);
  fill(told, texts.photos(person.photos), doubtful > 0 && h("span", { class: "tag warn" }, icon("bell"), texts.people.toCheck(doubtful)));
}
