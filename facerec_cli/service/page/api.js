// The way to the service: /api/v1, its token, its problems; waits where it is busy, and where it is gone.

import { texts } from "./texts.js";

const BASE = new URL("api/v1", document.baseURI).pathname;
const TOKEN = "facerec.token";
const PROBLEM = "urn:facerec:problem:";
const BUSY_TRIES = 20;
/** A service that is there and still breaks off, as it may with what is too large for it, is not asked for ever. */
const GONE_TRIES = 3;
const LOOK_AGAIN = 1500;

/** What the service answered in place of what was asked for: RFC 9457. `status` 0 and the slug "gone": nothing was answered. */
export class Problem extends Error {
  constructor(status, slug, detail, extras = {}) {
    super(detail);
    this.name = "Problem";
    Object.assign(this, { status, slug, detail, extras });
  }
}

/** Tells "busy" and "idle", "gone" and "back". */
export const connection = new EventTarget();

const pictures = new Map();
let busyCount = 0;
let returning = null;
let asking = null;
let askToken = async () => null;
let settle = async () => null;

/** Who is asked for the token: `async (wasWrong) => token or null`. */
export function onTokenWanted(asked) {
  askToken = asked;
}

/** What is awaited before people are changed by a post or a patch. */
export function beforeChange(done) {
  settle = done;
}

export const api = {
  get: (path, options = {}) => answer("GET", path, null, { safe: true, ...options }),
  /**
   * `body` is a FormData or goes as JSON. Options: `query` {name: value}, `signal`, `safe`: may be sent twice, and
   * `keepalive`: goes on where the page is closed.
   */
  post: (path, body = null, options = {}) => change("POST", path, body, options),
  patch: (path, body, options = {}) => change("PATCH", path, body, options),
  delete: (path, options = {}) => answer("DELETE", path, null, options),

  /** The response itself, to what can be asked twice. */
  raw: (path, options = {}) => send("GET", path, null, { safe: true, ...options }),

  /** A picture's blob URL, asked for once and kept while the page is open. */
  picture(path) {
    if (!pictures.has(path)) {
      const url = send("GET", path, null, { safe: true }).then((response) => response.blob()).then(URL.createObjectURL);
      url.catch(() => pictures.delete(path));
      pictures.set(path, url);
    }
    return pictures.get(path);
  },

  /** Pictures under a path are out of date. */
  forget(prefix) {
    for (const [path, url] of pictures) {
      if (!path.startsWith(prefix)) continue;
      pictures.delete(path);
      url.then(URL.revokeObjectURL, () => null);
    }
  },

  /**
   * Server-sent events: `onEvent({event, data, id})` for each, until "end" or `signal`; goes on behind the last one where the
   * connection breaks. It is let go at each event `until`, and made anew after a moment: browsers have six for a service, all
   * its tabs together, and some jobs that are listened to without a break would leave none for anything else.
   */
  async events(path, onEvent, { lastId = null, signal = null, until = "progress" } = {}) {
    let last = lastId;
    for (;;) {
      const headers = { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) };
      const response = await send("GET", path, null, { safe: true, signal, headers });
      try {
        for await (const event of eventsOf(response.body)) {
          if (event.id) last = event.id;
          onEvent(event);
          if (event.event === "end") return;
          if (event.event === until) break;
        }
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
      }
      await pause(LOOK_AGAIN, signal);
    }
  },
};

async function change(method, path, body, options) {
  if (path !== "/identify") await settle();
  return answer(method, path, body, options);
}

async function answer(method, path, body, options) {
  const response = await send(method, path, body, options);
  return response.status === 204 ? null : response.json();
}

async function send(method, path, body, { query = {}, signal = null, safe = false, keepalive = false, headers = {} } = {}) {
  const url = new URL(BASE + path, location.href);
  for (const [name, value] of Object.entries(query)) if (value !== null && value !== undefined) url.searchParams.set(name, value);
  const isForm = body instanceof FormData;
  const content = body === null || isForm ? body : JSON.stringify(body);
  const type = body === null || isForm ? {} : { "Content-Type": "application/json" };

  for (let busy = 0, gone = 0; ; ) {
    const token = sessionStorage.getItem(TOKEN);
    const authorization = token ? { Authorization: `Bearer ${token}` } : {};
    let response;
    try {
      response = await fetch(url, { method, body: content, signal, keepalive, headers: { ...headers, ...type, ...authorization }, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      const back = untilBack();
      gone += 1;
      if (!safe || gone > GONE_TRIES) throw new Problem(0, "gone", texts.unanswered);
      await back;
      continue;
    }
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (problem.slug === "busy" && busy < BUSY_TRIES) {
      busy += 1;
      await whileBusy(Number(response.headers.get("Retry-After") ?? 1), signal);
    } else if (problem.slug !== "token" || !(await isTokenNew(token))) {
      throw problem;
    }
  }
}

async function problemOf(response) {
  const told = await response.json().catch(() => ({}));
  const { type = "", title = response.statusText, detail = title, status, ...extras } = told;
  return new Problem(response.status, type.replace(PROBLEM, ""), detail || `HTTP ${response.status}`, extras);
}

async function whileBusy(seconds, signal) {
  busyCount += 1;
  connection.dispatchEvent(new Event("busy"));
  try {
    await pause(Math.min(Math.max(seconds, 0.2), 30) * 1000, signal);
  } finally {
    busyCount -= 1;
    if (!busyCount) connection.dispatchEvent(new Event("idle"));
  }
}

/** Whether there is another token than `used` now, asking for it if need be: once for all requests that are refused at once. */
async function isTokenNew(used) {
  if (sessionStorage.getItem(TOKEN) !== used) return true;
  asking ??= askToken(used !== null).finally(() => {
    asking = null;
  });
  const token = await asking;
  if (token) sessionStorage.setItem(TOKEN, token);
  return Boolean(token);
}

/** Resolves once the service answers again; all that wait look together. */
function untilBack() {
  returning ??= (async () => {
    connection.dispatchEvent(new Event("gone"));
    for (;;) {
      await pause(LOOK_AGAIN);
      const isBack = await fetch(`${BASE}/health/live`, { cache: "no-store" }).then((response) => response.ok, () => false);
      if (isBack) break;
    }
    returning = null;
    connection.dispatchEvent(new Event("back"));
  })();
  return returning;
}

function pause(milliseconds, signal = null) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

async function* eventsOf(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = { event: "message", data: "", id: null };
        for (const line of block.split("\n")) {
          const [, field, text] = /^(\w*): ?(.*)$/.exec(line) ?? [];
          if (field === "data") event.data += text;
          else if (field === "event" || field === "id") event[field] = text;
        }
        if (event.data) yield { ...event, data: JSON.parse(event.data) };
      }
    }
  } finally {
    // Whoever stops listening lets the connection go.
    await reader.cancel().catch(() => null);
  }
}
