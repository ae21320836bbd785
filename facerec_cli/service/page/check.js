// What needs a look: photos that do not fit their name, poor and lost ones, and names who may be one person.

import { chip } from "./chip.js";
import { button, fill, h, icon } from "./dom.js";
import { findings, isOfPhoto, outdate } from "./findings.js";
import { mergePeople } from "./merge.js";
import { noticeProblem } from "./notices.js";
import { isGoing, removeLater } from "./removal.js";

export const title = "check";

const PAGE = 20;
const BESIDE = 4;
const KINDS = ["unlike", "poor", "lost"];

/** Pairs who are two, as they were said to be in this tab; told by their distance, so that they are asked about anew with other photos. */
const TWO = "facerec.two";

export async function show(root, { api, texts, refresh }) {
  const words = texts.check;
  let isShown = true;
  root.append(
    h("a", { class: "back", href: "#/people" }, icon("back"), texts.people.title),
    h("div", { class: "head" }, h("div", { class: "stack" }, h("h1", {}, words.title), h("p", { class: "lead" }, words.lead))),
  );
  const body = h("div", { class: "check" });
  root.append(body);

  async function load() {
    outdate();
    fill(body, h("p", { class: "row muted", role: "status" }, h("span", { class: "spinner" }), words.looking));
    const [found, pairs] = await Promise.all([findings(), lookalikes()]);
    if (!isShown) return;
    const photos = found.filter((finding) => isOfPhoto(finding) && !(finding.face && isGoing(photoPath(finding))));
    const open = pairs.filter((pair) => !saidToBeTwo().includes(keyOf(pair)));
    const sections = [
      section(words.alike, words.alikeWhat, open, pairRow),
      ...KINDS.map((kind) => section(words.kinds[kind], words.kindsWhat[kind], photos.filter((finding) => finding.finding === kind), photoRow)),
    ].filter(Boolean);
    fill(body, sections.length ? sections : nothing());
  }

  async function lookalikes() {
    if (!(await refresh()).people) return [];
    try {
      return (await api.get("/people/lookalikes")).pairs;
    } catch (error) {
      // Such a model does not say who looks alike.
      if (error.slug !== "uncalibrated") throw error;
      return [];
    }
  }

  function nothing() {
    return h("div", { class: "empty" }, icon("check", "large"), h("h2", {}, words.nothing), h("p", {}, words.nothingWhat));
  }

  /** A heading and its rows, some at a time; null where there are none. */
  function section(heading, what, all, row) {
    if (!all.length) return null;
    const list = h("ul", { class: "rows" });
    const further = button("", grow, { look: "small" });
    function grow() {
      const from = list.children.length;
      list.append(...all.splice(0, PAGE).map((one) => row(one, settle)));
      further.hidden = !all.length;
      further.textContent = words.more(all.length);
      if (from) list.children[from].querySelector("a, button")?.focus();
    }
    /** A row that is dealt with goes, and the next has the focus. */
    function settle(element) {
      const next = element.nextElementSibling ?? element.previousElementSibling;
      element.remove();
      (next?.querySelector("button, a") ?? further).focus();
      if (!list.children.length && !all.length) whole.remove();
      if (!body.children.length) fill(body, nothing());
    }
    const whole = h("section", {}, h("h2", {}, heading), h("p", { class: "small-print" }, what), list, further);
    grow();
    return whole;
  }

  function pairRow(pair, settle) {
    const sides = [{ id: pair.person, name: pair.name }, { id: pair.other_person, name: pair.other }];
    const merge = async () => {
      const [first, second] = await Promise.all(sides.map(({ id }) => api.get(`/people/${id}`)));
      const both = await mergePeople({ ...first, photos: first.faces.length }, { ...second, photos: second.faces.length });
      if (!both) return;
      refresh();
      load().catch(noticeProblem);
    };
    const two = () => {
      sessionStorage.setItem(TWO, JSON.stringify([...saidToBeTwo(), keyOf(pair)]));
      settle(element);
    };
    const element = h(
      "li",
      { class: "card pair" },
      h("div", { class: "sides" }, sides.map(({ id, name }) => h("a", { href: `#/people/${id}` }, chip(`/people/${id}/chip`), h("span", { class: "chip-name" }, name)))),
      h("div", { class: "stack" },
        h("p", { class: "small-print number" }, words.distance(pair.distance, pair.threshold)),
        h("div", { class: "row" }, button(words.same, () => merge().catch(noticeProblem), { icon: "merge", look: "small" }), button(words.two, two, { icon: "people", look: "small" }))),
    );
    return element;
  }

  function photoRow(finding, settle) {
    const beside = h("div", { class: "beside" });
    const element = h(
      "li",
      { class: "card fault" },
      finding.face === null ? h("div", { class: "blank" }) : chip(`${photoPath(finding)}/chip`),
      h("div", { class: "stack" },
        h("div", {}, h("p", {}, h("a", { href: `#/people/${finding.person}` }, finding.name)), h("p", { class: "small-print" }, finding.photo)),
        h("span", { class: "tag warn" }, icon("bell"), words.flaw(finding)),
        beside,
        finding.face !== null && h("div", { class: "row" }, button(words.remove, take, { icon: "remove", look: "small" }))),
    );
    if (finding.finding === "unlike") showOthers(finding, beside).catch(noticeProblem);
    function take() {
      const place = document.createComment("");
      element.before(place);
      settle(element);
      removeLater(photoPath(finding), texts.person.photoRemoved(finding.photo), {
        back: () => (place.isConnected ? place.replaceWith(element) : isShown && load().catch(noticeProblem)),
        gone() {
          outdate();
          refresh();
          api.forget(`/people/${finding.person}/`);
        },
      });
    }
    return element;
  }

  /** Other photos of the name, to compare with. */
  async function showOthers({ person, face, name }, beside) {
    const { faces } = await api.get(`/people/${person}`);
    const others = faces.filter((one) => one.id !== face).slice(0, BESIDE);
    fill(beside, h("p", { class: "small-print" }, words.beside(name)), h("div", { class: "row" }, others.map((one) => chip(`/people/${person}/photos/${one.id}/chip`, { alt: one.source, size: 64 }))));
  }

  // A look at everybody takes its time: the view is there meanwhile.
  load().catch((error) => {
    fill(body);
    noticeProblem(error);
  });
  return () => {
    isShown = false;
  };
}

const photoPath = (finding) => `/people/${finding.person}/photos/${finding.face}`;

const keyOf = (pair) => `${pair.person} ${pair.other_person} ${pair.distance}`;

const saidToBeTwo = () => JSON.parse(sessionStorage.getItem(TWO) ?? "[]");
