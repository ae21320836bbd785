// One photo, large, with its faces; a grey field of its shape where the browser cannot show it.

import { button, fill, h, icon } from "./dom.js";
import { faceLayer } from "./faces.js";
import { texts } from "./texts.js";

/**
 * The stage: `{element, image, show(item, decisions, selected), focus(index)}`. `point`, `pick` and `reach` are those of a layer of faces;
 * `remove(item)` puts the photo away.
 */
export function pictureStage({ point, pick, reach, remove }) {
  let shown = null;
  const image = h("img", { class: "photo", alt: "", onerror: () => frame.classList.add("not-shown") });
  const layer = faceLayer({ point, pick, reach });
  const waiting = h("p", { class: "stage-state" }, h("span", { class: "spinner" }), texts.identify.looking);
  const blank = h("p", { class: "blank" }, icon("photo", "large"), texts.identify.notShown);
  const frame = h("div", { class: "frame" }, image, blank, layer.element, waiting);
  const who = h("p", { class: "who-is" });
  const notes = h("div", { class: "stack notes" });
  const caption = h("h2", { class: "photo-name" });
  const away = button(texts.identify.putAway, () => remove(shown), { icon: "close", bare: true, look: "quiet small round" });
  const element = h(
    "section",
    { class: "stage card", "aria-label": texts.identify.photo },
    h("div", { class: "stage-head" }, caption, away),
    h("div", { class: "mat" }, frame),
    who,
    notes,
  );

  function show(item, decisions, selected) {
    if (item !== shown) {
      shown = item;
      frame.classList.remove("not-shown");
      image.src = item.url;
    }
    const { result, isPending, error } = item;
    caption.textContent = item.file.name;
    image.alt = texts.identify.alt(item.file.name, decisions);
    waiting.hidden = !isPending;
    if (result?.width) frame.style.setProperty("--shape", `${result.width} / ${result.height}`);
    else frame.style.removeProperty("--shape");
    who.textContent = decisions.length ? texts.identify.summary(decisions) : "";
    layer.draw(result, decisions, selected);
    const isEmpty = !error && result && !decisions.length;
    fill(
      notes,
      error && h("p", { class: "note danger" }, icon("bell"), error),
      isEmpty && h("p", { class: "note" }, icon("identify"), texts.identify.noFace),
      result?.note && h("p", { class: "note" }, icon("bell"), texts.identify.noted(result.note)),
    );
  }

  return { element, image, show, focus: layer.focus };
}
