// Faces that nobody knew, in groups as they were taken for one person, most often seen first: name them, or forget them.

import { chip } from "./chip.js";
import { ask } from "./dialog.js";
import { button, fill, h, icon } from "./dom.js";
import { outdate } from "./findings.js";
import { nameField } from "./names.js";
import { noticeProblem } from "./notices.js";
import { outcomeLine, outcomeSummary } from "./outcomes.js";
import { isGoing, removeLater } from "./removal.js";
import { sightingsList } from "./sightings.js";

export const title = "strangers";

const PAGE = 30;

/** Most sightings that are shown without being asked for. */
const OPEN = 6;

export async function show(root, { api, texts, service, notice, refresh }) {
  const words = texts.strangers;
  let next = null;
  let total = 0;

  const list = h("ul", { class: "strangers" });
  const none = h("div", { class: "empty", hidden: true }, icon("strangers", "large"), h("h2", {}, words.none), h("p", {}, words.noneWhat), h("a", { class: "button main", href: "#/identify" }, icon("identify"), texts.identify.title));
  const more = button(words.more, () => load().catch(noticeProblem), { hidden: true });
  const forget = button(words.forgetAll, forgetAll, { icon: "remove", look: "danger" });
  const head = h("div", { class: "head" }, h("div", { class: "stack" }, h("h1", {}, words.title), h("p", { class: "lead" }, words.lead(service.strangers_kept))), forget);
  root.append(head, list, none, h("div", { class: "row further" }, more));

  async function load() {
    const page = await api.get("/strangers", { query: { after: next, limit: PAGE } });
    next = page.next;
    total = page.total;
    const first = page.groups.filter((group) => !isGoing(pathOf(group))).map(card);
    list.append(...first);
    more.hidden = next === null;
    tell();
  }

  function tell() {
    none.hidden = list.children.length > 0;
    forget.hidden = !list.children.length;
  }

  function card(group) {
    const field = nameField(words.name, { placeholder: words.nameExample });
    const error = h("div", { role: "alert" });
    const submit = h("button", { class: "button main small" }, icon("enrol"), words.enrol);
    const element = h(
      "li",
      { class: "card stranger" },
      h("div", { class: "stack" },
        h("div", {}, h("h2", {}, words.seen(group.seen)), h("p", { class: "small-print number" }, words.between(group.first, group.last))),
        h("div", { class: "stranger-faces" }, group.faces.map((face) => chip(`${pathOf(group)}/faces/${face.id}/chip`, { alt: words.face(face.source), size: 76 })))),
      h("form", { class: "stranger-name", onsubmit: name }, field.element, error, h("div", { class: "row" }, submit, button(words.forget, drop, { icon: "remove", look: "small" }))),
      h("details", {}, h("summary", {}, words.where(group.faces.length)), sightingsList(group.faces)),
    );

    async function name(event) {
      event.preventDefault();
      submit.disabled = true;
      fill(error);
      try {
        const named = await api.post(`${pathOf(group)}/name`, { name: field.value });
        outdate();
        refresh();
        showNamed(named);
      } catch (problem) {
        if (problem.name !== "Problem") throw problem;
        fill(error, h("p", { class: "note danger" }, problem.detail));
      } finally {
        submit.disabled = false;
      }
    }

    function showNamed({ person, outcomes, sightings }) {
      const heading = h("h2", { tabindex: "-1" }, words.is(person.name));
      fill(
        element,
        h("div", { class: "stack" }, heading, h("p", {}, words.summary(outcomeSummary(outcomes))), h("ul", { class: "outcomes" }, outcomes.map(outcomeLine))),
        h("div", { class: "row" }, chip(`/people/${person.id}/chip`, { size: 76 }), h("a", { class: "button", href: `#/people/${person.id}` }, words.see(person.name))),
        h("details", { open: sightings.length <= OPEN }, h("summary", {}, words.seenBefore(sightings.length)), sightingsList(sightings)),
      );
      heading.focus();
    }

    function drop() {
      const beside = element.nextElementSibling ?? element.previousElementSibling;
      const place = document.createComment("");
      element.replaceWith(place);
      tell();
      (beside?.querySelector("input, a") ?? none.querySelector("a")).focus();
      removeLater(pathOf(group), words.forgotten, {
        back() {
          if (!place.isConnected) return;
          place.replaceWith(element);
          tell();
          field.input.focus();
        },
      });
    }

    return element;
  }

  async function forgetAll() {
    const done = await ask(words.forgetAllAsk, [h("p", {}, words.forgetAllWhat(total))], {
      confirm: words.forgetAll,
      look: "danger",
      submit: async () => {
        await api.delete("/strangers");
        api.forget("/strangers/");
        return true;
      },
    });
    if (!done) return;
    fill(list);
    next = null;
    more.hidden = true;
    tell();
    notice(words.allForgotten);
  }

  await load();
}

const pathOf = (group) => `/strangers/${group.id}`;
