// The faces of a photo or of a camera's frame as buttons over it.

import { h } from "./dom.js";
import { texts } from "./texts.js";

/**
 * A layer of buttons over a picture: `{element, draw(result, decisions, selected), focus(index)}`. `point(index or null)` is called where a
 * face is hovered over, `pick(index, event)` where it is clicked, and `reach(index)` where it gets the focus.
 */
export function faceLayer({ point = () => null, pick = () => null, reach = () => null, isMirrored = false }) {
  const element = h("ul", { class: "faces", "aria-label": texts.identify.facesOfPhoto });
  const buttons = [];
  new ResizeObserver(layNames).observe(element);

  function make(index) {
    const name = h("span", { class: "face-name", "aria-hidden": "true" });
    const button = h(
      "button",
      {
        type: "button", class: "face",
        onclick: (event) => pick(index, event), onfocus: () => reach(index),
        onpointerenter: () => point(index), onpointerleave: () => point(null),
      },
      name,
    );
    return { item: h("li", {}, button), button, name };
  }

  /** The same button stays for the same place, so that the focus does. */
  function draw(result, decisions, selected = null) {
    while (buttons.length < decisions.length) {
      buttons.push(make(buttons.length));
      element.append(buttons.at(-1).item);
    }
    for (const spare of buttons.splice(decisions.length)) spare.item.remove();
    for (const [index, { button, name }] of buttons.entries()) {
      const decision = decisions[index];
      button.classList.toggle("known", decision.isKnown);
      button.setAttribute("aria-pressed", String(index === selected));
      button.setAttribute("aria-label", texts.identify.face(index + 1, decisions.length, decision));
      name.textContent = decision.name ?? texts.identify.unknown;
      put(button, result.faces[index].box, result);
    }
    layNames();
  }

  /** Names under their faces, above where another name is there already, and not at all where both are taken. */
  function layNames() {
    const frame = element.getBoundingClientRect();
    const taken = [];
    const first = ({ button }) => (button.getAttribute("aria-pressed") === "true" ? 0 : button.classList.contains("known") ? 1 : 2);
    for (const { button, name } of [...buttons].sort((one, other) => first(one) - first(other))) {
      button.classList.remove("nameless");
      const isFree = ["below", "above"].some((side) => {
        button.classList.toggle("name-above", side === "above");
        const room = name.getBoundingClientRect();
        return room.bottom <= frame.bottom && room.top >= frame.top && !taken.some((other) => overlap(room, other));
      });
      button.classList.toggle("nameless", !isFree);
      if (isFree) taken.push(name.getBoundingClientRect());
    }
  }

  function put(button, [x, y, width, height], photo) {
    const left = isMirrored ? photo.width - x - width : x;
    const middle = (left + width / 2) / photo.width;
    button.style.setProperty("left", `${(left / photo.width) * 100}%`);
    button.style.setProperty("top", `${(y / photo.height) * 100}%`);
    button.style.setProperty("width", `${(width / photo.width) * 100}%`);
    button.style.setProperty("height", `${(height / photo.height) * 100}%`);
    button.classList.toggle("at-left", middle < 0.15);
    button.classList.toggle("at-right", middle > 0.85);
  }

  function focus(index) {
    buttons[index]?.button.focus();
  }

  return { element, draw, focus };
}

function overlap(one, other) {
  return one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;
}
