// The photos at hand, and what the service said about each. They stay while other views are shown, and go with the tab.

import { Problem, api } from "./api.js";
import { texts } from "./texts.js";

const PHOTOS_A_REQUEST = 4;
const CANDIDATES = 5;
const THUMBNAIL = 256;

/**
 * Tells "change" whenever a photo comes, goes, or is answered.
 *
 * An item is `{file, url, thumbnail, result, error}`: a blob URL, a canvas or null of what the browser cannot show, what
 * POST /identify said of it, and a sentence where that failed. It is being looked at while `isPending`.
 */
class Shelf extends EventTarget {
  items = [];
  fpir = null;
  limits = null;
  done = 0;
  total = 0;
  #working = null;
  #stopped = null;

  /** Put photos here and have them looked at. Returns the first item. */
  add(files) {
    const items = files.map((file) => newItem(file));
    this.items.push(...items);
    this.#look(items);
    return items[0] ?? null;
  }

  /** Put a photo here that is looked at already. */
  keep(file, result) {
    const item = newItem(file, result);
    this.items.push(item);
    this.#tell();
    return item;
  }

  /** Have all photos looked at again: the people enrolled are not the same any more. Resolves once that is done. */
  again() {
    return this.#look(this.items);
  }

  remove(item) {
    this.items = this.items.filter((other) => other !== item);
    URL.revokeObjectURL(item.url);
    this.#tell();
  }

  clear() {
    this.stop();
    for (const item of this.items) URL.revokeObjectURL(item.url);
    this.items = [];
    this.#tell();
  }

  /** Look at no more photos; those not looked at yet go. */
  stop() {
    this.#stopped?.abort();
    for (const item of this.items) item.isPending = false;
    this.items = this.items.filter((item) => item.result || item.error);
    this.#tell();
  }

  #look(items) {
    if (!this.#working) this.done = this.total = 0;
    this.total += items.filter((item) => !item.isPending).length;
    for (const item of items) Object.assign(item, { isPending: true, turn: item.turn + 1 });
    this.#tell();
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
      this.#tell();
    });
    return this.#working;
  }

  get isWorking() {
    return this.items.some((item) => item.isPending);
  }

  async #work() {
    this.#stopped = new AbortController();
    for (;;) {
      const batch = this.items.filter((item) => item.isPending).slice(0, PHOTOS_A_REQUEST);
      if (!batch.length) return;
      const turns = batch.map((item) => item.turn);
      try {
        await this.#identify(batch, this.#stopped.signal);
      } catch (error) {
        if (error.name === "AbortError") {
          // What came since is looked at.
          this.#stopped = new AbortController();
          continue;
        }
        if (!(error instanceof Problem)) throw error;
        for (const item of batch) item.error = error.detail;
      }
      // Who was asked about anew meanwhile, since somebody got a name, is not answered yet.
      const answered = batch.filter((item, place) => item.turn === turns[place]);
      for (const item of answered) item.isPending = false;
      this.done += answered.length;
      this.#tell();
    }
  }

  async #identify(batch, signal) {
    const form = new FormData();
    const sent = [];
    for (const item of batch) {
      const content = await this.#content(item);
      if (!content) continue;
      form.append("photos", content, item.file.name);
      sent.push(item);
    }
    if (!sent.length) return;
    const answer = await api.post("/identify", form, { query: { top: CANDIDATES, fpir: this.fpir }, signal, safe: true });
    for (const [place, item] of sent.entries()) {
      item.result = answer.photos[place];
      item.error = item.result.error;
    }
    this.dispatchEvent(new CustomEvent("answer", { detail: answer.threshold }));
  }

  /** The file's bytes, or null where it cannot be sent: it went away meanwhile, is a folder, or is too large. */
  async #content(item) {
    const most = this.limits?.photo_bytes ?? Infinity;
    if (item.file.size > most) {
      item.error = texts.identify.tooLarge(item.file.size, most);
      return null;
    }
    try {
      return new Blob([await item.file.arrayBuffer()], { type: item.file.type });
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      item.error = texts.identify.unreadable;
      return null;
    }
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

function newItem(file, result = null) {
  return { file, url: URL.createObjectURL(file), thumbnail: thumbnailOf(file), result, error: result?.error ?? null, isPending: false, turn: 0 };
}

let drawing = Promise.resolve();

/** A small canvas of a photo, one after the other: fifty photos of a camera, decoded whole and at once, take gigabytes. */
function thumbnailOf(file) {
  drawing = drawing.then(() => createImageBitmap(file, { resizeHeight: THUMBNAIL, resizeQuality: "medium" }).then(canvasOf, () => null));
  return drawing;
}

function canvasOf(bitmap) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}

export const shelf = new Shelf();
