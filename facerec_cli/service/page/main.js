// The shell: which view is shown, what the service can do, and how it is: there, busy, gone, or in want of its token.

import { Problem, api, connection, onTokenWanted } from "./api.js";
import { ask } from "./dialog.js";
import { button, fill, h, icon } from "./dom.js";
import { notice } from "./notices.js";
import { language, texts } from "./texts.js";

const ROUTES = [
  [/^\/identify$/, "identify"],
  [/^\/people$/, "people"],
  [/^\/people\/check$/, "check"],
  [/^\/people\/(\d+)$/, "person"],
  [/^\/enrol$/, "enrol"],
  [/^\/strangers$/, "strangers"],
  [/^\/live(?:\/(\d+))?$/, "live"],
];
const HOME = "/identify";

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const banner = document.getElementById("banner");

let service = null;
let leave = () => null;
let shown = 0;

async function show() {
  const path = location.hash.slice(1);
  const [match, name] = route(path);
  if (!match) return navigate(HOME, { replace: true });
  const isFirst = shown === 0;
  const turn = ++shown;
  leave();
  leave = () => null;
  const root = h("div", { class: "view" });
  fill(main, root);
  markPlace(path);
  try {
    service ??= await api.get("/service");
    drawNav(path);
    const view = await import(`./${name}.js`);
    if (turn !== shown) return null;
    setTitle(texts[view.title].title);
    const cleanUp = await view.show(root, contextFor(match[1] ?? null));
    if (turn !== shown) cleanUp?.();
    else leave = cleanUp ?? leave;
  } catch (error) {
    if (turn === shown) showFault(root, error);
  }
  if (turn === shown && !isFirst) focusHeading();
  return null;
}

function contextFor(id) {
  return { api, texts, service, id, notice, navigate, refresh, setTitle };
}

function route(path) {
  for (const [pattern, name] of ROUTES) {
    const match = pattern.exec(path);
    if (match && isOffered(name)) return [match, name];
  }
  return [null, null];
}

function isOffered(name) {
  if (!service || name === "identify") return true;
  if (name === "live") return !service.read_only || service.sources > 0;
  return !service.read_only && (name !== "strangers" || service.strangers_kept !== null);
}

/** Go to another view: `navigate("/people/3")`. */
function navigate(path, { replace = false } = {}) {
  if (replace) location.replace(`#${path}`);
  else location.hash = path;
}

/** What the service has, asked anew; views call it once they changed how many people there are. */
async function refresh() {
  Object.assign(service, await api.get("/service"));
  return service;
}

function setTitle(title) {
  document.title = texts.page(title);
}

function drawNav(path) {
  const items = ["identify", "people", "enrol", "strangers", "live"].filter(isOffered);
  fill(nav, items.length > 1 && items.map((name) => h("a", { href: `#/${name}` }, icon(name), texts[name].title)));
  markPlace(path);
}

function markPlace(path) {
  for (const link of nav.querySelectorAll("a")) {
    if (path.startsWith(link.hash.slice(1))) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function focusHeading() {
  const heading = main.querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  (heading ?? main).focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** What is shown where a view is not: its module is not to be had, or the service refuses what it needs. */
function showFault(root, error) {
  const isProblem = error instanceof Problem;
  const title = isProblem && error.slug === "token" ? texts.token.refused : texts.missing.title;
  const retry = button(texts.retry, isProblem ? show : () => location.reload(), { look: "main" });
  setTitle(title);
  fill(root, h("div", { class: "empty" }, icon("bell", "large"), h("h1", {}, title), h("p", {}, isProblem ? error.detail : texts.missing.text), retry));
  if (!isProblem && !(error instanceof TypeError)) throw error;
}

async function askToken(wasWrong) {
  const input = h("input", { class: "input", id: "token", type: "password", autocomplete: "off", required: true, "aria-describedby": "token-help" });
  return ask(
    texts.token.title,
    [
      h("p", { class: "lead", id: "token-help" }, texts.token.text),
      wasWrong && h("p", { class: "note danger", role: "alert" }, texts.token.wrong),
      h("div", { class: "field" }, h("label", { for: "token" }, texts.token.label), input),
    ],
    { confirm: texts.token.confirm, submit: () => input.value.trim() },
  );
}

function showBanner(text) {
  banner.hidden = !text;
  fill(banner, text && h("span", { class: "spinner" }), text);
}

function start() {
  document.documentElement.lang = language;
  nav.setAttribute("aria-label", texts.navigation);
  document.getElementById("toasts").setAttribute("aria-label", texts.notices);
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = texts[element.dataset.text];
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });
  connection.addEventListener("gone", () => showBanner(texts.gone));
  connection.addEventListener("busy", () => showBanner(texts.busy));
  connection.addEventListener("idle", () => showBanner(null));
  connection.addEventListener("back", () => {
    showBanner(null);
    notice(texts.back);
  });
  onTokenWanted(askToken);
  addEventListener("hashchange", show);
  show();
}

start();
