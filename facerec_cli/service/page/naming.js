// Giving a face a name where it stands: the photo is enrolled for that person.

import { api } from "./api.js";
import { fill, h } from "./dom.js";
import { nameField } from "./names.js";
import { texts } from "./texts.js";

/** A form that enrols a face: `named(answer)` is called with what the service says then. */
export function namingForm(item, face, { named }) {
  const field = nameField(texts.naming.label, { placeholder: texts.naming.placeholder });
  const error = h("div", { role: "alert" });
  const submit = h("button", { class: "button main" }, texts.naming.confirm);
  const form = h("form", { class: "naming", onsubmit: send }, field.element, submit, error);

  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    fill(error);
    try {
      named(await enrolFace(item, face, field.value));
    } catch (problem) {
      if (problem.name !== "Problem") throw problem;
      fill(error, h("p", { class: "note danger" }, refusalOf(problem)));
    } finally {
      submit.disabled = false;
    }
  }

  return { element: form, input: field.input };
}

/** Enrol the face of a photo under a name; a face that is remembered among the strangers brings along where it was seen. */
export async function enrolFace(item, face, name) {
  if (face.stranger !== null) {
    try {
      return await api.post(`/strangers/${face.stranger}/name`, { name });
    } catch (problem) {
      // Forgotten or named since the photo was looked at: the photo is still at hand.
      if (problem.slug !== "not-found") throw problem;
    }
  }
  const form = new FormData();
  form.append("name", name);
  form.append("at", middleOf(face.box).join(","));
  form.append("photos", item.file, item.file.name);
  return api.post("/people", form, { safe: true });
}

function middleOf([x, y, width, height]) {
  return [x + width / 2, y + height / 2].map((number) => number.toFixed(1));
}

function refusalOf(problem) {
  return problem.extras.outcomes?.find((outcome) => outcome.error)?.error ?? problem.detail;
}
