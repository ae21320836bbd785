// A button that opens a menu, with the keys of the ARIA Authoring Practices: arrows, Home, End, a first letter, Escape.

import { button, h, icon, uniqueId } from "./dom.js";

const GAP = 4;
const EDGE = 8;

/** A menu button; `items` are {text, icon, run, look}, or a function that returns them as they are when it is opened. */
export function menuButton(text, items, attributes = {}) {
  const id = uniqueId("menu");
  const opener = button(text, open, { bare: true, icon: "more", look: "quiet round small more", "aria-haspopup": "menu", "aria-expanded": "false", onkeydown: pressed, ...attributes });

  function pressed(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    open();
  }

  function open() {
    const list = typeof items === "function" ? items() : items;
    const menu = h("div", { class: "menu", id, role: "menu", popover: "auto", "aria-label": text, onkeydown: moved, ontoggle: toggled });
    for (const item of list) {
      const run = () => {
        menu.hidePopover();
        item.run();
      };
      menu.append(h("button", { type: "button", role: "menuitem", tabindex: "-1", class: item.look ?? "", onclick: run }, icon(item.icon), item.text));
    }
    opener.after(menu);
    menu.showPopover();
    place(menu, opener.getBoundingClientRect());
    opener.setAttribute("aria-expanded", "true");
    opener.setAttribute("aria-controls", id);
    menu.firstElementChild.focus();
  }

  function toggled(event) {
    if (event.newState !== "closed") return;
    opener.setAttribute("aria-expanded", "false");
    opener.removeAttribute("aria-controls");
    event.target.remove();
  }

  return opener;
}

function moved(event) {
  const menu = event.currentTarget;
  const all = [...menu.children];
  const at = all.indexOf(document.activeElement);
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
  if (event.key === "Tab") menu.hidePopover();
  else if (next !== undefined) all.at(next % all.length).focus();
  else if (event.key.length === 1 && event.key !== " ") startingWith(all, at, event.key)?.focus();
  else return;
  if (event.key !== "Tab") event.preventDefault();
}

/** The next entry after `at` whose text starts with a letter. */
function startingWith(all, at, letter) {
  const following = [...all.slice(at + 1), ...all.slice(0, at + 1)];
  return following.find((one) => one.textContent.toLowerCase().startsWith(letter.toLowerCase()));
}

/** Below the button, or above where there is no room; never over the edge of the window. */
function place(menu, { left, right, top, bottom }) {
  const { width, height } = menu.getBoundingClientRect();
  const x = Math.max(EDGE, Math.min(left + width + EDGE > innerWidth ? right - width : left, innerWidth - width - EDGE));
  const y = bottom + GAP + height > innerHeight ? top - GAP - height : bottom + GAP;
  menu.style.setProperty("left", `${x}px`);
  menu.style.setProperty("top", `${Math.max(EDGE, y)}px`);
}
