// One person: their photos, and where they were seen before they had a name.

import { photosArriving } from "./arriving.js";
import { batches, form, sendable } from "./batches.js";
import { chip } from "./chip.js";
import { button, fill, h, icon } from "./dom.js";
import { findings, outdate } from "./findings.js";
import { menuButton } from "./menu.js";
import { mergePeople } from "./merge.js";
import { announce, noticeProblem } from "./notices.js";
import { outcomeLine, outcomeSummary } from "./outcomes.js";
import { isGoing, removeLater } from "./removal.js";
import { rename } from "./rename.js";
import { sightingsList } from "./sightings.js";

export const title = "person";

export async function show(root, { api, texts, service, id, navigate, refresh, setTitle }) {
  const words = texts.person;
  const path = `/people/${id}`;
  let person = null;
  const leaving = new AbortController();

  const head = h("div", { class: "person-head" });
  const grid = h("ul", { class: "chips photos", "aria-label": words.photos });
  const largest = h("input", { type: "checkbox", id: "largest" });
  const input = h("input", { type: "file", multiple: true, accept: "image/*", hidden: true, onchange: () => add([...input.files]) });
  const progress = h("div", { role: "status" });
  const results = h("div", { class: "stack" });
  const adding = h(
    "div",
    { class: "card adding" },
    h("div", { class: "row" }, button(words.add, () => input.click(), { icon: "add", look: "main" }), h("p", { class: "muted" }, words.drop)),
    h("label", { class: "tick" }, largest, words.largest),
    input,
    progress,
    results,
  );
  const seen = h("section", { hidden: true });
  root.append(h("a", { class: "back", href: "#/people" }, icon("back"), texts.people.title), head, adding, grid, seen, photosArriving(add, leaving.signal, words.dropNow));

  function drawHead() {
    setTitle(person.name);
    const name = h("h1", {}, person.name);
    const edit = () => rename(name, person, { renamed, merged });
    fill(
      head,
      chip(`${path}/chip`, { size: 84 }),
      h("div", { class: "person-name" }, h("div", { class: "row" }, name, button(texts.people.rename, edit, { icon: "edit", bare: true, look: "quiet round small" })),
        h("p", { class: "muted number" }, words.since(person.faces.length, person.enrolled))),
      menuButton(texts.people.actions(person.name), [
        { text: texts.people.rename, icon: "edit", run: edit },
        { text: texts.people.mergeInto, icon: "merge", run: merge },
        { text: texts.people.remove, icon: "remove", look: "danger", run: remove },
      ]),
    );
  }

  function drawPhotos() {
    fill(grid, person.faces.filter((face) => !isGoing(pathOf(face))).map(photo));
  }

  function photo(face) {
    const told = h("div", { class: "photo-flaws" });
    const element = h(
      "li",
      { class: "chip portrait", "data-face": face.id, onkeydown: (event) => event.key === "Delete" && take() },
      chip(`${pathOf(face)}/chip`),
      h("span", { class: "chip-name" }, face.source),
      h("time", { class: "chip-detail", datetime: face.enrolled }, texts.moment(face.enrolled)),
      h("span", { class: "chip-detail number" }, words.score(face.score)),
      told,
      button(words.removePhoto(face.source), take, { icon: "remove", bare: true, look: "quiet round small" }),
    );
    function take() {
      removePhoto(face, element);
    }
    return element;
  }

  function removePhoto(face, element) {
    if (element.parentElement.children.length === 1) return remove();
    const next = element.nextElementSibling ?? element.previousElementSibling;
    const place = document.createComment("");
    element.replaceWith(place);
    next.querySelector("button").focus();
    return removeLater(pathOf(face), words.photoRemoved(face.source), {
      back() {
        if (!place.isConnected) return;
        place.replaceWith(element);
        element.querySelector("button").focus();
      },
      gone() {
        outdate();
        refresh();
        api.forget(`${path}/`);
        if (!leaving.signal.aborted) load().catch(noticeProblem);
      },
    });
  }

  function renamed(changed) {
    Object.assign(person, changed);
    outdate();
    drawHead();
    head.querySelector("button").focus();
    announce(texts.people.renamed(person.name));
  }

  async function merge() {
    const both = await mergePeople({ ...person, photos: person.faces.length });
    if (both) merged(both);
  }

  function merged(both) {
    outdate();
    refresh();
    if (String(both.id) !== id) return navigate(`/people/${both.id}`, { replace: true });
    return load().catch(noticeProblem);
  }

  function remove() {
    navigate("/people");
    removeLater(path, texts.people.removed(person.name), {
      back: () => navigate(path),
      gone() {
        outdate();
        refresh();
      },
    });
  }

  async function add(files) {
    input.value = "";
    if (!files.length) return;
    const { good, refused } = await sendable(files, person.name, service.limits, texts.outcomes);
    const outcomes = [...refused];
    fill(results);
    try {
      for (const batch of batches(good, service.limits)) {
        fill(progress, h("p", { class: "row" }, h("span", { class: "spinner" }), words.adding(outcomes.length, files.length)));
        outcomes.push(...(await send(batch)));
      }
    } catch (error) {
      noticeProblem(error);
    } finally {
      fill(progress, outcomes.length > 0 && h("p", { class: "note good" }, outcomeSummary(outcomes)));
      fill(results, h("ul", { class: "outcomes" }, outcomes.map(outcomeLine)));
    }
    outdate();
    refresh();
    if (!leaving.signal.aborted) await load();
  }

  async function send(batch) {
    try {
      const query = { largest: largest.checked || null };
      return (await api.post(`${path}/photos`, form({}, batch), { query, safe: true })).outcomes;
    } catch (error) {
      // Where all are refused, each says why.
      if (!error.extras?.outcomes) throw error;
      return error.extras.outcomes;
    }
  }

  async function load() {
    person = await api.get(path);
    drawHead();
    drawPhotos();
    tellFlaws().catch(noticeProblem);
  }

  async function tellFlaws() {
    for (const finding of await findings()) {
      if (String(finding.person) !== id || finding.face === null) continue;
      const told = grid.querySelector(`[data-face="${finding.face}"] .photo-flaws`);
      told?.append(h("span", { class: "tag warn" }, icon("bell"), texts.check.flaw(finding)));
    }
  }

  async function tellSightings() {
    const { sightings } = await api.get(`${path}/sightings`);
    if (!sightings.length) return;
    seen.hidden = false;
    fill(seen, h("h2", {}, words.seen), h("p", { class: "small-print" }, words.seenWhat), sightingsList(sightings));
  }

  const pathOf = (face) => `${path}/photos/${face.id}`;

  try {
    await load();
  } catch (error) {
    if (error.slug !== "unknown-person") throw error;
    setTitle(words.nobody);
    fill(root, h("div", { class: "empty" }, icon("people", "large"), h("h1", {}, words.nobody), h("p", {}, error.detail), h("a", { class: "button main", href: "#/people" }, words.everybody)));
    return null;
  }
  tellSightings().catch(noticeProblem);
  return () => leaving.abort();
}
