// The picture of an enrolled face, asked for once it comes near the view.

import { api } from "./api.js";
import { h } from "./dom.js";

const NEAR = "400px";

/** What an image shows before it has come; without any, browsers draw a frame and the text. */
const BLANK = URL.createObjectURL(new Blob(['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>'], { type: "image/svg+xml" }));

const coming = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      coming.unobserve(target);
      show(target);
    }
  },
  { rootMargin: NEAR },
);

/** An image of what the service has under `path`; it stays blank where that is lost. `alt` is empty beside a name. */
export function chip(path, { alt = "", size = 112 } = {}) {
  const image = h("img", { src: BLANK, "data-path": path, alt, width: size, height: size, draggable: "false", class: "waiting" });
  coming.observe(image);
  return image;
}

async function show(image) {
  try {
    image.src = await api.picture(image.dataset.path);
  } catch (error) {
    if (error.name !== "Problem") throw error;
  } finally {
    image.classList.remove("waiting");
  }
}
