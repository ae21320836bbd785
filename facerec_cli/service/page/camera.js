// The camera: one frame at a time goes to the service, the next once the answer came.

import { Problem, api } from "./api.js";
import { decide } from "./deciding.js";
import { button, fill, h, icon } from "./dom.js";
import { faceLayer } from "./faces.js";
import { announce } from "./notices.js";
import { untilSeen } from "./seen.js";
import { texts } from "./texts.js";

const NAME = "camera";
const WIDTH = 1280;
const QUALITY = 0.85;
const CANDIDATES = 5;

/**
 * The camera's stage: `{element, start(), stop(), draw()}`.
 *
 * `rule()` is in force; `keep(file, result, index)` is called with a frame whose face was chosen, or null;
 * `closed()` where the camera is put away.
 */
export function cameraStage({ rule, keep, closed }) {
  let stream = null;
  let ended = null;
  let last = null;
  let said = "";

  const video = h("video", { class: "photo", playsinline: true, muted: true, "aria-label": texts.camera.picture });
  video.muted = true;
  const layer = faceLayer({ pick: (index) => last && keepLast(index), isMirrored: true });
  const state = h("div", { class: "stack" });
  const take = button(texts.camera.keep, () => last && keepLast(null), { icon: "photo", look: "main", disabled: true });
  const element = h(
    "section",
    { class: "stage card camera", "aria-label": texts.camera.title },
    h("div", { class: "mat" }, h("div", { class: "frame" }, video, layer.element)),
    state,
    h("div", { class: "row" }, take, button(texts.camera.close, close, { icon: "close" }), h("p", { class: "small-print" }, texts.camera.hint)),
  );

  async function start() {
    stop();
    const mine = new AbortController();
    ended = mine;
    fill(state, h("p", { class: "note" }, h("span", { class: "spinner" }), texts.camera.starting));
    try {
      if (!navigator.mediaDevices) throw new DOMException("", "SecurityError");
      const opened = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDTH }, facingMode: "user" } });
      // Put away, and perhaps begun anew, while the browser asked for leave: this camera is nobody's.
      if (mine.signal.aborted) return end(opened);
      stream = opened;
      video.srcObject = stream;
      await video.play();
      fill(state);
      take.disabled = false;
      await look(mine.signal);
    } catch (error) {
      if (error.name === "AbortError" || mine.signal.aborted) return null;
      stop();
      fill(state, h("p", { class: "note danger", role: "alert" }, icon("bell"), faultOf(error)));
    }
    return null;
  }

  async function look(signal) {
    while (!signal.aborted) {
      await untilSeen(signal);
      const file = await frameOf(video);
      const form = new FormData();
      form.append("photos", file, NAME);
      const answer = await api.post("/identify", form, { query: { top: CANDIDATES, fpir: rule()?.fpir }, signal, safe: true });
      const [result] = answer.photos;
      if (result.error) throw new Problem(422, "photo", result.error);
      last = { file, result };
      draw();
    }
  }

  function draw() {
    if (!last) return;
    const decisions = last.result.faces.map((face) => decide(face, rule()));
    layer.draw(last.result, decisions);
    const summary = texts.identify.summary(decisions);
    if (summary !== said) announce(summary);
    said = summary;
  }

  function keepLast(index) {
    const { file, result } = last;
    stop();
    keep(file, result, index);
  }

  function close() {
    stop();
    closed();
  }

  function stop() {
    ended?.abort();
    if (stream) end(stream);
    stream = null;
    last = null;
    take.disabled = true;
  }

  return { element, start, stop, draw };
}

function end(stream) {
  for (const track of stream.getTracks()) track.stop();
}

async function frameOf(video) {
  const scale = Math.min(1, WIDTH / video.videoWidth);
  const canvas = h("canvas", { width: Math.round(video.videoWidth * scale), height: Math.round(video.videoHeight * scale) });
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
  return new File([blob], NAME, { type: "image/jpeg" });
}

function faultOf(error) {
  if (error instanceof Problem) return error.detail;
  if (error instanceof DOMException) return texts.camera.faults[error.name] ?? texts.camera.faults.other;
  throw error;
}
