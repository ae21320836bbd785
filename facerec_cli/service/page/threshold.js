// The threshold where it is used: how many strangers may be named, and what that means, in the service's words.

import { ruleAt } from "./deciding.js";
import { h, uniqueId } from "./dom.js";
import { texts } from "./texts.js";

let chosen = null;

/**
 * The slider: `{element, calibrate(calibration), rule}`; `changed` is called where it is moved. What was chosen holds while the
 * page is open.
 */
export function thresholdSlider(changed) {
  let calibration = null;
  const [sliderId, sentenceId] = [uniqueId("threshold"), uniqueId("explanation")];
  const slider = h("input", { id: sliderId, class: "slider", type: "range", min: "0", step: "1", "aria-describedby": sentenceId, oninput: moved });
  const value = h("output", { class: "number", for: sliderId });
  const sentence = h("p", { class: "small-print", id: sentenceId });
  const element = h(
    "section",
    { class: "card threshold", "aria-label": texts.threshold.title, hidden: true },
    h("div", { class: "threshold-head" }, h("label", { for: sliderId, class: "label" }, texts.threshold.label), value),
    slider,
    h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, texts.threshold.fewer), h("span", {}, texts.threshold.more)),
    sentence,
  );

  function moved() {
    chosen = Number(slider.value);
    tell();
    changed();
  }

  function tell() {
    const rule = ruleAt(calibration, chosen);
    value.textContent = texts.rate(rule.fpir);
    slider.setAttribute("aria-valuetext", texts.threshold.value(rule));
    slider.style.setProperty("--filled", `${(chosen / (calibration.steps.length - 1)) * 100}%`);
    sentence.textContent = rule.explanation;
  }

  /** What GET /calibration says now; null where nobody is enrolled, which leaves nothing to choose. */
  function calibrate(current) {
    calibration = current;
    element.hidden = !calibration;
    if (!calibration) return;
    chosen ??= nearestStep(calibration);
    slider.max = calibration.steps.length - 1;
    slider.value = chosen;
    tell();
  }

  return { element, calibrate, get calibration() { return calibration; }, get rule() { return ruleAt(calibration, chosen); } };
}

function nearestStep({ steps, fpir }) {
  const far = steps.map((step) => Math.abs(Math.log(step.fpir / fpir)));
  return far.indexOf(Math.min(...far));
}
