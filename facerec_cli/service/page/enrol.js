// Enrol people: photos of one, or a folder of many; shown first, then sent, and followed.

import { photosArriving } from "./arriving.js";
import { button, fill, h, icon } from "./dom.js";
import { chosen, dropped, sorted } from "./folder.js";
import { jobCard } from "./job.js";
import { allJobs, isOver, jobOf, jobs, startJob } from "./jobs.js";
import { noticeProblem } from "./notices.js";
import { planCard } from "./plan.js";

export const title = "enrol";

export async function show(root, { texts, service, refresh }) {
  const words = texts.enrol;
  const cards = new Map();
  const dirty = new Set();

  const photos = h("input", { type: "file", multiple: true, accept: "image/*", hidden: true, onchange: () => take(photos) });
  const folder = h("input", { type: "file", webkitdirectory: true, hidden: true, onchange: () => take(folder) });
  const leaving = new AbortController();
  const hint = photosArriving((_files, transfer) => look(dropped(transfer)), leaving.signal, words.dropNow);
  const place = h("div", {});
  const list = h("ul", { class: "stack" });
  const section = h("section", { class: "jobs", hidden: true }, h("h2", {}, words.jobs), list);
  const drop = h(
    "div",
    { class: "card drop" },
    icon("folder", "large"),
    h("h2", {}, words.drop),
    h("p", { class: "muted" }, words.dropWhat),
    h("div", { class: "row" }, button(words.photos, () => photos.click(), { icon: "photo", look: "main" }), button(words.folder, () => folder.click(), { icon: "folder" })),
    photos,
    folder,
  );
  root.append(h("div", { class: "head" }, h("div", { class: "stack" }, h("h1", {}, words.title), h("p", { class: "lead" }, words.lead))), h("div", { class: "enrolling" }, place, section), hint);
  fill(place, drop);

  function take(input) {
    // A copy: the list of an input is emptied with it.
    const files = chosen(input.files);
    input.value = "";
    if (files.length) look(files);
  }

  async function look(finding) {
    fill(place, h("p", { class: "card row", role: "status" }, h("span", { class: "spinner" }), words.searching));
    const found = sorted(await finding);
    const card = planCard(found, { enrol, cancel: again });
    fill(place, card);
    (card.querySelector("input:not([type=radio])") ?? card.querySelector("h2")).focus();
  }

  function again() {
    fill(place, drop);
    drop.querySelector("button").focus();
  }

  async function enrol(people) {
    again();
    try {
      add(await startJob(people, service.limits));
    } catch (error) {
      noticeProblem(error);
    }
  }

  function add(id, { isNew = true } = {}) {
    if (cards.has(id)) return;
    const card = jobCard(id);
    cards.set(id, card);
    if (isNew) list.prepend(card.element);
    else list.append(card.element);
    section.hidden = false;
  }

  // A job tells of every photo: what is shown follows as often as the screen does.
  function changed({ detail: id }) {
    if (!dirty.size) requestAnimationFrame(redraw);
    dirty.add(id);
  }

  function redraw() {
    for (const id of dirty) {
      cards.get(id)?.draw();
      if (isOver(jobOf(id)?.job)) refresh().catch(noticeProblem);
    }
    dirty.clear();
  }

  jobs.addEventListener("change", changed, { signal: leaving.signal });
  for (const id of await allJobs()) add(id, { isNew: false });
  return () => leaving.abort();
}
