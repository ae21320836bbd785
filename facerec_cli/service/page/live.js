// Cameras and streams: what one shows now, who is there, and who came and went.

import { ask } from "./dialog.js";
import { button, fill, h, icon } from "./dom.js";
import { filmStage } from "./film.js";
import { noticeProblem } from "./notices.js";
import { visitList } from "./visits.js";

export const title = "live";

export async function show(root, { api, texts, service, id, notice, navigate, refresh }) {
  const words = texts.live;
  const leaving = new AbortController();
  const { sources, most } = await api.get("/live");
  const chosen = sources.find((source) => source.id === Number(id));
  if (!chosen && (id || sources.length)) {
    if (id) notice(words.gone);
    const path = sources.length ? `/live/${sources[0].id}` : "/live";
    navigate(path, { replace: true });
    return null;
  }

  const canChange = !service.read_only;
  const add = canChange && sources.length < most && button(words.add, addSource, { icon: "add", look: sources.length ? "" : "main" });
  const nav = h("nav", { class: "row live-sources", "aria-label": words.sources });
  root.append(h("div", { class: "head" }, h("h1", {}, words.title), sources.length > 0 && add));
  if (!chosen) {
    root.append(h("div", { class: "empty" }, icon("live", "large"), h("h2", {}, words.none), h("p", {}, canChange ? words.noneWhat : words.noneReadOnly), add));
    return null;
  }

  const path = `/live/${chosen.id}`;
  const remove = canChange && button(words.remove, removeSource, { icon: "remove", look: "small quiet round", bare: true });
  const stage = filmStage(path, remove);
  const visits = visitList({ canName: service.strangers_kept !== null });
  root.append(nav, h("div", { class: "live" }, stage.element, visits.element));
  drawSources(sources);
  stage.draw(chosen);
  stage.start();
  api.events(`${path}/events`, hear, { until: "source", signal: leaving.signal }).catch(lost);

  function hear({ event, data }) {
    if (event !== "source") return visits.hear(data);
    stage.draw(data);
    visits.see(data.present);
    // What the others are doing is asked for where there are any.
    if (sources.length > 1) api.get("/live", { signal: leaving.signal }).then((now) => drawSources(now.sources)).catch(noticeProblem);
    return null;
  }

  function drawSources(now) {
    nav.hidden = now.length < 2;
    const links = now.map((source) =>
      h("a", { class: "button small pill", href: `#/live/${source.id}`, "aria-current": source.id === chosen.id && "true" },
        h("span", { class: "pill-name" }, source.name), source.state !== "running" && h("span", { class: "count" }, words.states[source.state])));
    if (nav.contains(document.activeElement)) return;
    fill(nav, links);
  }

  function lost(error) {
    if (error.slug !== "not-found") return noticeProblem(error);
    notice(words.gone);
    return navigate("/live", { replace: true });
  }

  async function addSource() {
    const field = h("input", { class: "input", id: "source", type: "text", inputmode: "url", autocomplete: "off", spellcheck: "false", required: true, maxlength: "1000", placeholder: words.example, "aria-describedby": "source-help" });
    const added = await ask(
      words.add,
      [h("div", { class: "field" }, h("label", { for: "source" }, words.address), field), h("p", { class: "small-print", id: "source-help" }, words.addressWhat)],
      { confirm: words.watch, submit: () => api.post("/live", { source: field.value.trim() }) },
    );
    if (!added) return;
    await refresh();
    navigate(`/live/${added.id}`);
  }

  async function removeSource() {
    const done = await ask(words.removeAsk(chosen.name), [h("p", {}, words.removeWhat)], {
      confirm: words.remove,
      look: "danger",
      submit: async () => {
        await api.delete(path);
        return true;
      },
    });
    if (!done) return;
    await refresh();
    navigate("/live");
  }

  return () => {
    leaving.abort();
    stage.stop();
  };
}
