// Bulk enrolments: photos on their way to the service, and what it tells of them, whichever view is shown.

import { api } from "./api.js";
import { batches, form, refusal, sendable } from "./batches.js";
import { outdate } from "./findings.js";
import { texts } from "./texts.js";

/** Tells "change" of a job's id as the event's `detail`. */
export const jobs = new EventTarget();

/** By id: {job, outcomes, sending: {sent, total, stop} while photos of this page are on their way, problem: why no more are}. */
const known = new Map();

export const jobOf = (id) => known.get(id);

const tell = (id) => jobs.dispatchEvent(new CustomEvent("change", { detail: id }));

export const isOver = (job) => job?.state === "done" || job?.state === "stopped";

/** All jobs of the service, the last one first; each is followed from now on. */
export async function allJobs() {
  const { jobs: all } = await api.get("/jobs");
  for (const job of all) follow(job);
  return all.sort((a, b) => (a.created < b.created ? 1 : -1)).map((job) => job.id);
}

/** Follow a job until it is over. */
function follow(job) {
  if (known.has(job.id)) return known.get(job.id);
  const state = { job, outcomes: [], sending: null, problem: null };
  known.set(job.id, state);
  const heard = ({ event, data }) => {
    if (event === "outcome") state.outcomes.push(data);
    else state.job = data;
    if (event === "end") outdate();
    tell(job.id);
  };
  api.events(`/jobs/${job.id}/events`, heard).catch((error) => {
    // A job that the service forgot has nothing more to tell.
    known.delete(job.id);
    tell(job.id);
    if (error.name !== "Problem") throw error;
  });
  return state;
}

/**
 * Enrol people: `[{name, files}]`. Returns the job's id once the service has one; the photos go on their way meanwhile.
 */
export async function startJob(people, limits) {
  const job = await api.post("/jobs");
  const state = follow(job);
  const stopping = new AbortController();
  state.sending = { sent: 0, total: people.reduce((sum, { files }) => sum + files.length, 0), stop: () => stopping.abort() };
  send(job.id, state, people, limits, stopping.signal);
  return job.id;
}

async function send(id, state, people, limits, signal) {
  try {
    for (const { name, files } of people) await sendPerson(id, state, name, files, limits, signal);
    state.job = await api.post(`/jobs/${id}/finish`, null, { safe: true });
  } catch (error) {
    if (error.name === "Problem") state.problem = error.detail;
    else if (error.name !== "AbortError") throw error;
  } finally {
    state.sending = null;
    tell(id);
  }
}

async function sendPerson(id, state, name, files, limits, signal) {
  for (const batch of batches(files, limits)) {
    const { good, refused } = await sendable(batch, name, limits, texts.outcomes);
    state.outcomes.push(...refused);
    try {
      if (good.length) await api.post(`/jobs/${id}/photos`, form({ name }, good), { safe: true, signal });
    } catch (error) {
      // What is wrong with these photos, or with the name, says nothing of the others.
      if (!REFUSALS.has(error.slug)) throw error;
      state.outcomes.push(...good.map((file) => refusal(file.name, name, error.detail)));
    }
    state.sending.sent += batch.length;
    tell(id);
  }
}

const REFUSALS = new Set(["name", "photo", "too-large", "invalid"]);

/** Stop a job: what is not enrolled yet is not. */
export async function stopJob(id) {
  known.get(id)?.sending?.stop();
  await api.delete(`/jobs/${id}`);
}

/** No more photos come to a job whose page was closed. */
export async function finishJob(id) {
  await api.post(`/jobs/${id}/finish`, null, { safe: true });
}

addEventListener("beforeunload", (event) => {
  if ([...known.values()].some(({ sending }) => sending)) event.preventDefault();
});
