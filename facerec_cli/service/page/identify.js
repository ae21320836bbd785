// Who is in photos: the first view.

import { h } from "./dom.js";

export const title = "identify";

export async function show(root, { texts }) {
  root.append(h("h1", {}, texts.identify.title));
}
