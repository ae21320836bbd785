// A bulk enrolment as a card: how far it is, what was refused and why, a button to stop it.

import { button, fill, h, uniqueId } from "./dom.js";
import { finishJob, isOver, jobOf, stopJob } from "./jobs.js";
import { noticeProblem } from "./notices.js";
import { outcomeLine } from "./outcomes.js";
import { texts } from "./texts.js";

/** Most lines of a kind that are shown. */
const LINES = 500;

/** A list item of a job, and `draw()`, which shows it as it is now. */
export function jobCard(id) {
  const words = texts.enrol;
  const labelId = uniqueId("job");
  const heading = h("h3", { id: labelId });
  const numbers = h("p", { class: "muted number" });
  const bar = h("progress", { "aria-labelledby": labelId, max: 1 });
  const told = h("p", { class: "small-print" });
  const problem = h("div", { role: "alert" });
  const refused = foldedLines(words.refused, "danger");
  const doubtful = foldedLines(words.doubtful, "warn");
  const stop = button(texts.stop, () => stopJob(id).catch(noticeProblem), { icon: "close", look: "small" });
  const finish = button(words.finish, () => finishJob(id).catch(noticeProblem), { look: "small" });
  const see = h("a", { class: "button small", href: "#/people" }, words.seePeople);
  const element = h("li", { class: "card job" }, h("div", { class: "head" }, h("div", {}, heading, numbers), h("div", { class: "row" }, see, finish, stop)), h("div", { class: "progress" }, bar), told, problem, refused.element, doubtful.element);
  let drawn = 0;

  function draw() {
    const state = jobOf(id);
    if (!state) return element.remove();
    const { job, outcomes, sending } = state;
    const over = isOver(job);
    const total = Math.max(sending?.total ?? 0, job.received);
    const isLeft = job.state === "receiving" && !sending;
    fill(heading, words.states[isLeft ? "left" : job.state]);
    fill(numbers, over ? h("time", { datetime: job.finished }, words.finishedAt(job.finished)) : words.progress(job.done, total));
    bar.parentElement.hidden = over;
    if (total) bar.value = job.done / total;
    fill(told, words.tells(job), isLeft ? ` ${words.leftWhat}` : sending ? ` ${words.sending(sending.sent, sending.total)}` : null);
    fill(problem, state.problem && h("p", { class: "note danger" }, state.problem));
    stop.hidden = over;
    see.hidden = !over || !job.enrolled;
    finish.hidden = !isLeft;
    const fresh = outcomes.slice(drawn);
    drawn = outcomes.length;
    refused.add(fresh.filter(({ error }) => error));
    return doubtful.add(fresh.filter(({ error }) => !error));
  }

  draw();
  return { element, draw };
}

/** A heading that says how many lines there are, and unfolds them: `add(outcomes)`. */
function foldedLines(heading, look) {
  const summary = h("summary", { class: look });
  const list = h("ul", { class: "outcomes" });
  const element = h("details", { hidden: true }, summary, list);
  let count = 0;

  function add(outcomes) {
    const lines = outcomes.map(outcomeLine).filter(Boolean);
    if (!lines.length) return;
    count += lines.length;
    list.append(...lines.slice(0, Math.max(0, LINES - list.children.length)));
    element.hidden = false;
    fill(summary, heading(count), count > LINES && ` ${texts.enrol.firstOnly(LINES)}`);
  }

  return { element, add };
}
