// The card of a face: who it is, how near, how sure, how good the photo is, who else it may be; and to give it a name.

import { button, fill, h, icon, uniqueId } from "./dom.js";
import { enrolFace, namingForm } from "./naming.js";
import { noticeProblem } from "./notices.js";
import { texts } from "./texts.js";

const CROP = 112;
const MARGIN = 0.25;
const GOOD = 0.85;
const FAIR = 0.6;

/**
 * The card: `{element, show(seen, isPreview), focus()}`, where `seen` is `{item, face, decision, rule, image}` or null; a preview
 * is of a face that is only hovered over, with nothing to do.
 *
 * `named(answer)` is called once the face is enrolled; `left()` where Escape leaves the card.
 */
export function faceCard({ canName, named, left }) {
  const facts = h("div", { class: "stack" });
  const foot = h("div", { class: "stack" });
  const element = h("section", { class: "card face-card", "aria-label": texts.card.title, onkeydown: pressed }, facts, foot);
  let form = null;
  let formOf = null;

  function pressed(event) {
    if (event.key === "Escape") left();
  }

  /** The form stays as it is while the same face is shown: somebody may be typing. */
  function show(seen, isPreview = false) {
    element.hidden = !seen;
    if (!seen) return;
    const { item, face, decision } = seen;
    fill(facts, drawFacts(seen));
    foot.hidden = isPreview;
    if (isPreview || (formOf?.face === face && formOf.name === decision.name)) return;
    formOf = { face, name: decision.name };
    form = null;
    fill(foot);
    if (!canName) return;
    if (decision.isKnown) fill(foot, knownFoot(item, face, decision.name));
    else openForm(item, face);
  }

  function openForm(item, face) {
    form = namingForm(item, face, { named });
    fill(foot, form.element);
  }

  function knownFoot(item, face, name) {
    async function add(event) {
      event.currentTarget.disabled = true;
      await enrolFace(item, face, name).then(named, noticeProblem);
    }
    function correct() {
      openForm(item, face);
      form.input.focus();
    }
    return h("div", { class: "row" }, button(texts.card.add, add, { icon: "add", look: "small" }), button(texts.card.somebodyElse, correct, { look: "small quiet" }));
  }

  /** Go to what can be done about the face. */
  function focus() {
    (form?.input ?? foot.querySelector("button") ?? element.querySelector("h2"))?.focus();
  }

  return { element, show, focus };
}

function drawFacts({ face, decision, rule, image }) {
  const { name, isKnown, distance, probability } = decision;
  return [
    h(
      "div",
      { class: "face-head" },
      cropOf(image, face),
      h(
        "div",
        {},
        h("h2", { tabindex: "-1" }, name ?? texts.card.unknown),
        h("p", { class: isKnown ? "tag good" : "tag" }, isKnown ? texts.card.known : texts.card.nobody),
      ),
    ),
    h(
      "dl",
      { class: "facts" },
      probability !== null && fact(isKnown ? texts.card.probability : texts.card.probabilityNearest, texts.probability(probability)),
      distance !== null && fact(texts.card.distance, texts.card.distanceOf(distance, rule)),
      fact(texts.card.quality, texts.card.qualityOf(face.quality, face.quality >= GOOD ? "good" : face.quality >= FAIR ? "fair" : "poor")),
    ),
    decision.candidates.length > 0 && drawNearest(decision.candidates),
  ];
}

function fact(term, text) {
  return h("div", {}, h("dt", {}, term), h("dd", { class: "number" }, text));
}

function drawNearest(candidates) {
  const id = uniqueId("nearest");
  const rows = candidates.map((candidate) => {
    const bar = h("span", { class: "bar-of", "aria-hidden": "true" });
    bar.style.setProperty("--share", candidate.probability ?? Math.max(0, 1 - candidate.distance));
    return h(
      "li",
      { class: candidate.isMatch ? "candidate match" : "candidate" },
      h("span", { class: "candidate-name" }, candidate.name),
      h("span", { class: "number muted" }, texts.card.candidate(candidate)),
      bar,
    );
  });
  return h("div", {}, h("h3", { id }, texts.card.nearest), h("ol", { class: "candidates", "aria-labelledby": id }, rows));
}

/** The face cut from the picture on the page; a drawing where the browser cannot show the photo. */
function cropOf(image, face) {
  if (!image?.complete || !image.naturalWidth) return h("span", { class: "crop" }, icon("identify", "large"));
  const canvas = h("canvas", { class: "crop", width: CROP * 2, height: CROP * 2, "aria-hidden": "true" });
  const [x, y, width, height] = face.box;
  const side = Math.max(width, height) * (1 + 2 * MARGIN);
  canvas.getContext("2d").drawImage(image, x + (width - side) / 2, y + (height - side) / 2, side, side, 0, 0, CROP * 2, CROP * 2);
  return canvas;
}
