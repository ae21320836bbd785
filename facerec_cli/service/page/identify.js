// Who is in photos: they come by drop, paste, choice or camera; a face is pointed at, or given a name where it stands.

import { photosArriving } from "./arriving.js";
import { cameraStage } from "./camera.js";
import { decide } from "./deciding.js";
import { button, fill, h, icon } from "./dom.js";
import { faceCard } from "./face.js";
import { announce, noticeProblem } from "./notices.js";
import { pictureStage } from "./picture.js";
import { shelf } from "./shelf.js";
import { photoStrip } from "./strip.js";
import { thresholdSlider } from "./threshold.js";

export const title = "identify";

/** Which photo and which of its faces were open last: they still are when somebody comes back. */
const place = { item: null, index: null };

export async function show(root, { api, texts, service, notice, navigate, refresh }) {
  const leaving = new AbortController();
  let pointed = null;
  let isFilming = false;

  const input = h("input", { type: "file", accept: "image/*,.heic,.heif,.avif", multiple: true, hidden: true, onchange: chosen });
  const slider = thresholdSlider(moved);
  const stage = pictureStage({ point, pick, reach: select, remove: (item) => shelf.remove(item) });
  const card = faceCard({ canName: !service.read_only, named, left: () => stage.focus(place.index) });
  const strip = photoStrip(open, () => shelf.clear());
  const camera = cameraStage({ rule: () => slider.rule, keep: keepFrame, closed: () => film(false) });
  const progress = progressBar(texts);
  const welcome = h("section", { class: "welcome card" });
  const side = h("div", { class: "stack side" }, card.element, slider.element);

  function chosen() {
    add([...input.files]);
    input.value = "";
  }

  function add(files) {
    if (!files.length) return;
    if (isFilming) film(false);
    open(shelf.add(files));
  }

  function open(item) {
    pointed = null;
    Object.assign(place, { item, index: null });
    draw();
  }

  function select(index) {
    if (place.index === index) return;
    place.index = index;
    draw();
  }

  /** By keyboard and mouse the next thing is the name; on a telephone its keyboard would hide the photo. */
  function pick(index, event) {
    select(index);
    card.element.scrollIntoView({ block: "nearest", behavior: "smooth" });
    if (event.pointerType !== "touch") card.focus();
  }

  function point(index) {
    pointed = index;
    drawCard();
  }

  function moved() {
    shelf.fpir = slider.rule.fpir;
    draw();
    camera.draw();
    announce(texts.identify.summary(decisionsOf(place.item)));
  }

  async function named({ person, outcomes, sightings = [] }) {
    notice(texts.naming.done(person, outcomes, sightings), { action: { label: texts.naming.show, run: () => navigate(`/people/${person.id}`) } });
    await Promise.all([calibrate(), shelf.again()]).catch(noticeProblem);
    const count = shelf.items.filter((item) => decisionsOf(item).some((decision) => decision.name === person.name)).length;
    announce(texts.naming.seen(person, count));
    if (!leaving.signal.aborted) stage.focus(place.index);
  }

  async function film(isOn) {
    isFilming = isOn;
    draw();
    if (isOn) await camera.start();
    else camera.stop();
  }

  function keepFrame(file, result, index) {
    isFilming = false;
    Object.assign(place, { item: shelf.keep(file, result), index });
    draw();
    card.focus();
  }

  /** What the slider stands on; there is nothing to choose where nobody is enrolled. */
  async function calibrate() {
    const { people } = await refresh();
    const calibration = people ? await api.get("/calibration") : null;
    slider.calibrate(calibration);
    shelf.fpir = slider.rule?.fpir ?? null;
    draw();
  }

  /** Somebody else may have enrolled people meanwhile. */
  function answered({ detail: threshold }) {
    if (threshold && threshold.distance !== slider.rule?.threshold) calibrate().catch(noticeProblem);
    if (!shelf.isWorking) announce(texts.identify.summary(decisionsOf(place.item)));
  }

  function decisionsOf(item) {
    return (item?.result?.faces ?? []).map((face) => decide(face, slider.rule));
  }

  function draw() {
    if (!shelf.items.includes(place.item)) Object.assign(place, { item: shelf.items[0] ?? null, index: null });
    const { item } = place;
    const decisions = decisionsOf(item);
    if (place.index === null && decisions.length) place.index = 0;
    if (place.index >= decisions.length) place.index = null;
    const isEmpty = !item && !isFilming;
    welcome.hidden = !isEmpty;
    camera.element.hidden = !isFilming;
    stage.element.hidden = !item || isFilming;
    strip.element.hidden = shelf.items.length < 2 || isFilming;
    root.classList.toggle("with-photos", !isEmpty);
    root.classList.toggle("with-strip", shelf.items.length > 1);
    // Whoever has come to a button by keyboard stays there when it moves.
    const focused = actions.contains(document.activeElement) && document.activeElement;
    if (isEmpty) fill(welcome, welcomeOf(texts, service), actions);
    else head.append(actions);
    if (focused) focused.focus();
    if (item) stage.show(item, decisions, place.index);
    strip.draw(shelf.items, item, decisionsOf);
    progress.draw(shelf);
    drawCard();
  }

  function drawCard() {
    const { item } = place;
    const index = pointed ?? place.index;
    const face = item?.result?.faces[index];
    const isShown = Boolean(face) && !isFilming;
    const seen = isShown ? { item, face, decision: decide(face, slider.rule), rule: slider.rule, image: stage.image } : null;
    card.show(seen, index !== place.index);
  }

  const choose = button(texts.identify.choose, () => input.click(), { icon: "upload", look: "main" });
  const actions = h("div", { class: "row" }, choose, button(texts.identify.useCamera, () => film(true), { icon: "camera" }));
  const head = h("div", { class: "head" }, h("h1", {}, texts.identify.heading));
  const workspace = h("div", { class: "workspace" }, progress.element, camera.element, stage.element, side, strip.element);
  const hint = photosArriving(add, leaving.signal);
  fill(root, head, input, welcome, workspace, hint);
  shelf.limits = service.limits;
  shelf.addEventListener("change", draw, { signal: leaving.signal });
  shelf.addEventListener("answer", answered, { signal: leaving.signal });
  stage.image.addEventListener("load", drawCard);
  draw();
  await calibrate();

  return () => {
    leaving.abort();
    camera.stop();
  };
}

function progressBar(texts) {
  const bar = h("progress", { "aria-label": texts.identify.looking });
  const told = h("span", { class: "number" });
  const stop = button(texts.stop, () => shelf.stop(), { look: "small quiet" });
  const element = h("div", { class: "progress card inline" }, told, bar, stop);

  function draw({ isWorking, done, total }) {
    element.hidden = !isWorking || total < 2;
    bar.max = total;
    bar.value = done;
    told.textContent = texts.identify.progress(done, total);
  }

  return { element, draw };
}

/** What to do first: where nobody is enrolled, how somebody is. */
function welcomeOf(texts, service) {
  const isNew = service.people === 0 && !service.read_only;
  const isKept = service.strangers_kept !== null;
  const { title: heading, text } = isNew ? texts.identify.nobody : texts.identify.welcome;
  const steps = isNew && h("ol", { class: "steps" }, texts.identify.steps.map((step) => h("li", {}, step)));
  return [icon("identify", "large"), h("h2", {}, heading), h("p", { class: "lead" }, text), steps, isKept && h("p", { class: "small-print" }, texts.identify.remembered(service.strangers_kept)), service.read_only && h("p", { class: "small-print" }, texts.readOnly)];
}
