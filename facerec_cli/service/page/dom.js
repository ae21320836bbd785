// The few helpers that build the page. Text only ever becomes a text node, so a name with HTML in it is shown as text.

const SVG = "http://www.w3.org/2000/svg";

const ICONS = {
  add: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  bell: "M12 8v5M12 16.5v.01M12 3l9.5 17h-19z",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  edit: "M5 19l1-4L16.5 4.5l3 3L9 18zM14 7l3 3",
  enrol: "M10 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3.5 20c0-3.5 2.7-6 6.5-6 1.5 0 2.8.4 3.9 1M18 14v6M15 17h6",
  folder: "M3.5 6.5h6l2 2.5h9v10h-17z",
  identify: "M4 9V6a2 2 0 0 1 2-2h3M15 4h3a2 2 0 0 1 2 2v3M20 15v3a2 2 0 0 1-2 2h-3M9 20H6a2 2 0 0 1-2-2v-3M9.3 9.5v1M14.7 9.5v1M9 14.5c1.8 1.5 4.2 1.5 6 0",
  live: "M3.5 7.5h11v9h-11zM14.5 11l6-3v8l-6-3",
  merge: "M6 4v4c0 4 6 4 6 8v4M18 4v4c0 4-6 4-6 8",
  more: "M5.5 12v.01M12 12v.01M18.5 12v.01",
  next: "M4 12h15M13.5 6.5L19 12l-5.5 5.5",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-3.5 2.7-6 6.5-6s6.5 2.5 6.5 6M16 4.3a3.5 3.5 0 0 1 0 6.5M18 14.5c2 .8 3.5 2.8 3.5 5.5",
  photo: "M4 5h16v14H4zM4 16l4.5-4.5L13 16l3-3 4 4M15.5 9.5v.01",
  remove: "M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20 20",
  strangers: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM9.7 9.8a2.4 2.4 0 1 1 3.6 2.1c-.8.5-1.3 1-1.3 2M12 16.3v.01",
  swap: "M4 8.5h15M15.5 5L19 8.5 15.5 12M20 15.5H5M8.5 12L5 15.5 8.5 19",
  upload: "M12 16V5M7.5 9.5L12 5l4.5 4.5M4.5 15v4h15v-4",
};

/**
 * An element: `h("button", {class: "button", onclick: save, disabled: true}, icon("check"), "Save")`.
 * Functions become listeners; true is an attribute without a value; null, undefined and false leave one out.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...present(children));
  return element;
}

/** What is inside an element, anew. */
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
  return element;
}

/** A drawing beside a word, which says nothing to a screen reader. */
export function icon(name, look = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon ${look}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** A button: `button("Save", save, {icon: "check", look: "main"})`; with `bare` the text is its name, and only the icon is seen. */
export function button(text, onclick, { icon: drawing = null, look = "", bare = false, ...attributes } = {}) {
  const inside = [drawing && icon(drawing), !bare && text];
  const named = bare ? { "aria-label": text, title: text } : {};
  return h("button", { type: "button", class: `button ${look}`, onclick, ...named, ...attributes }, ...inside);
}

/** An id that no other element of the page has. */
export function uniqueId(prefix) {
  uniqueId.last = (uniqueId.last ?? 0) + 1;
  return `${prefix}-${uniqueId.last}`;
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
