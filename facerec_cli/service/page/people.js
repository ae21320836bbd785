// Everybody enrolled, in a grid that grows as it is scrolled.

import { button, fill, h, icon } from "./dom.js";
import { findings, isOfPhoto, outdate } from "./findings.js";
import { mergePeople } from "./merge.js";
import { announce, noticeProblem } from "./notices.js";
import { isGoing, removeLater } from "./removal.js";
import { mark, tile } from "./tile.js";

export const title = "people";

const PAGE = 60;
const TYPING = 180;
const NEAR = "800px";

/** What was looked for stays while other views are shown. */
let search = "";

/** Loads the grid that is shown now, if one is. */
let anew = null;

export async function show(root, { api, texts, refresh }) {
  const words = texts.people;
  const shown = new Map();
  let total = 0;
  let next = null;
  let turn = 0;
  let doubtful = new Map();
  let going = 0;
  let isLoading = false;
  let timer = null;

  const count = h("p", { class: "muted number", role: "status" });
  const grid = h("ul", { class: "chips dense", "aria-label": words.title });
  const nobody = h("div", { hidden: true });
  const end = h("div", { class: "end" });
  const field = h("input", {
    class: "input", type: "search", value: search, placeholder: words.search, "aria-label": words.search, autocomplete: "off", oninput: typed,
  });
  const check = h("a", { class: "button", href: "#/people/check" }, icon("check"), words.check);
  const tools = h("div", { class: "row people-tools" }, h("search", { class: "search" }, icon("search"), field), check);
  root.append(h("div", { class: "head" }, h("div", {}, h("h1", {}, words.title), count), tools), grid, nobody, end);

  const growing = new IntersectionObserver(([seen]) => seen.isIntersecting && more(), { rootMargin: NEAR });
  growing.observe(end);

  function typed() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      search = field.value.trim();
      restart();
    }, TYPING);
  }

  async function restart() {
    turn += 1;
    next = null;
    isLoading = false;
    try {
      await load({ isFirst: true });
    } catch (error) {
      noticeProblem(error);
    }
  }

  async function more() {
    if (next === null || isLoading) return;
    try {
      await load({ isFirst: false });
    } catch (error) {
      noticeProblem(error);
    }
  }

  async function load({ isFirst }) {
    const mine = turn;
    isLoading = true;
    const page = await api.get("/people", { query: { search: search || null, after: next, limit: PAGE } }).finally(() => {
      if (mine === turn) isLoading = false;
    });
    if (mine !== turn) return;
    if (isFirst) {
      shown.clear();
      going = 0;
      fill(grid);
    }
    next = page.next;
    const staying = page.people.filter((person) => !isGoing(pathOf(person)));
    going += page.people.length - staying.length;
    total = page.total - going;
    grid.append(...staying.map(add));
    tell();
    // Where a page does not fill the window, nothing comes into view that was not there.
    growing.unobserve(end);
    growing.observe(end);
  }

  function add(person) {
    const element = tile(person, acts);
    shown.set(person.id, { element, person });
    mark(element, person, doubtful.get(person.id) ?? 0);
    return element;
  }

  function tell() {
    fill(count, total > 0 && (search ? words.found(total) : words.enrolled(total)));
    tools.hidden = !total && !search;
    check.hidden = !total;
    nobody.hidden = total > 0;
    if (total > 0) return;
    if (search) fill(nobody, empty("search", words.noneFound(search), words.noneFoundWhat, button(words.clear, clear)));
    else fill(nobody, empty("people", words.none, words.noneWhat, h("a", { class: "button main", href: "#/enrol" }, icon("enrol"), words.enrolFirst)));
  }

  function empty(drawing, heading, what, action) {
    return h("div", { class: "empty" }, icon(drawing, "large"), h("h2", {}, heading), h("p", {}, what), action);
  }

  function clear() {
    field.value = search = "";
    restart();
    field.focus();
  }

  const acts = {
    renamed(element, person) {
      const changed = add(person);
      element.replaceWith(changed);
      changed.querySelector("a").focus();
      outdate();
      announce(words.renamed(person.name));
    },
    async merge(person, into) {
      const both = await mergePeople(person, into);
      if (both) acts.merged(both);
    },
    merged(both) {
      outdate();
      refresh();
      takeOff(both.gone);
      const old = shown.get(both.id)?.element;
      if (!old) return restart();
      old.replaceWith(add(both));
      return shown.get(both.id).element.querySelector("a").focus();
    },
    remove(element, person) {
      const neighbour = element.nextElementSibling ?? element.previousElementSibling;
      const place = document.createComment("");
      element.before(place);
      takeOff(person.id);
      (neighbour ?? nobody).querySelector("a, button")?.focus();
      removeLater(pathOf(person), words.removed(person.name), {
        back() {
          if (!place.isConnected) return anew?.();
          place.replaceWith(add(person));
          total += 1;
          tell();
          return shown.get(person.id).element.querySelector("a").focus();
        },
        gone() {
          outdate();
          refresh();
        },
      });
    },
  };

  function takeOff(id) {
    const known = shown.get(id);
    if (!known) return;
    known.element.remove();
    shown.delete(id);
    total -= 1;
    tell();
  }

  async function markDoubtful() {
    const found = await findings();
    doubtful = new Map();
    for (const { person } of found.filter(isOfPhoto)) doubtful.set(person, (doubtful.get(person) ?? 0) + 1);
    for (const { element, person } of shown.values()) mark(element, person, doubtful.get(person.id) ?? 0);
    fill(check, icon("check"), words.check, found.length > 0 && h("span", { class: "tag warn" }, found.length.toLocaleString()));
  }

  anew = restart;
  await load({ isFirst: true });
  if (total > 0) markDoubtful().catch(noticeProblem);

  return () => {
    turn += 1;
    anew = null;
    clearTimeout(timer);
    growing.disconnect();
  };
}

const pathOf = (person) => `/people/${person.id}`;
