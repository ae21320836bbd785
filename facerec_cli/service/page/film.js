// The picture of a live source: asked for again once it is shown, for as long as somebody looks.

import { api } from "./api.js";
import { button, fill, h, icon } from "./dom.js";
import { noticeProblem } from "./notices.js";
import { untilSeen } from "./seen.js";
import { texts } from "./texts.js";

const LOOKS = { running: "good", opening: "", lost: "warn", failed: "danger", ended: "" };

/**
 * The stage of a source: `{element, draw(source), start(), stop()}`; `remove` is a button beside its name, or null.
 */
export function filmStage(path, remove) {
  const words = texts.live;
  let ended = null;
  let url = null;

  let image = h("img", { class: "photo", alt: "", hidden: true });
  const blank = h("p", { class: "blank" }, icon("live", "large"), words.noPicture);
  const frame = h("div", { class: "frame not-shown" }, image, blank);
  const name = h("h2", { class: "photo-name" });
  const state = h("span", { role: "status" });
  const why = h("div", { class: "notes" });
  const who = h("p", { class: "who-is" });
  const numbers = h("p", { class: "small-print number" });
  const pause = button(words.pause, () => (ended ? stop() : start()), { look: "small" });
  const element = h(
    "section",
    { class: "stage card", "aria-label": words.picture },
    h("div", { class: "stage-head" }, h("div", { class: "live-name" }, name, state), h("div", { class: "row" }, pause, remove)),
    h("div", { class: "mat" }, frame),
    why,
    who,
    numbers,
  );

  function draw(source) {
    name.textContent = source.name;
    const told = words.states[source.state];
    if (state.textContent !== told) fill(state, h("span", { class: `tag ${LOOKS[source.state]}` }, told));
    fill(why, source.why && h("p", { class: "note warn" }, icon("bell"), source.why));
    who.textContent = words.there(source.present);
    image.alt = words.alt(source);
    numbers.textContent = words.numbers(source);
  }

  function start() {
    ended = new AbortController();
    pause.textContent = words.pause;
    film(ended.signal).catch((error) => {
      if (error.name === "AbortError") return;
      stop();
      // That a source is gone is told where its events are.
      if (error.slug !== "not-found") noticeProblem(error);
    });
  }

  function stop() {
    ended?.abort();
    ended = null;
    pause.textContent = words.resume;
  }

  async function film(signal) {
    for (let number = 0; ; ) {
      await untilSeen(signal);
      const response = await api.raw(`${path}/picture`, { query: { after: number }, signal });
      if (response.status === 204) continue;
      number = Number(response.headers.get("Picture-Number"));
      const before = url;
      url = URL.createObjectURL(await response.blob());
      // An image has no size while it loads another picture: one of its own takes its place when it can be seen.
      const next = h("img", { class: "photo", src: url });
      await next.decode();
      next.alt = image.alt;
      image.replaceWith(next);
      image = next;
      frame.classList.remove("not-shown");
      if (before) URL.revokeObjectURL(before);
    }
  }

  return { element, draw, start, stop };
}
