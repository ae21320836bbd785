"""The people of a collection on one HTML page, which needs no other file, to be looked through and named."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np

from facerec_cli.datasets.clusters import CollectedFace, Groups
from facerec_cli.recognition.collecting import Group
from facerec_cli.words import count

_MOST_CHIPS = 24
"""Faces of a group that are shown: the best."""
_MOST_ALONE = 200
"""Faces alone that are shown: the best."""
_MOST_TOGETHER = 10_000
"""Faces in groups that are shown: about 70 MB, which a browser opens in seconds."""


def people_page(groups: Sequence[Group], kept: Groups) -> str:
    """The page: a section a group, the faces alone last; of very many groups the first.

    Args:
        groups: as ``group_collection`` gives them.
        kept: where the chips are.

    Raises:
        CollectionError: the index cannot be read.
    """
    together = [group for group in groups if group.id is not None]
    alone = sorted((group.faces[0] for group in groups if group.id is None), key=lambda face: -face.quality)
    faces = np.cumsum([min(len(group.faces), _MOST_CHIPS) for group in together])
    first = together[: int(np.searchsorted(faces, _MOST_TOGETHER, "right"))]
    sections = [_section(group, kept) for group in first]
    if rest := together[len(first) :]:
        most = count(len(rest[0].photos), "photo")
        sections.append(f"<section><h2>{count(len(rest), 'person')} beside these, in {most} at most</h2></section>")
    if alone:
        shown = alone[:_MOST_ALONE]
        heading = f"{count(len(alone), 'face')} alone"
        sections.append(f"<section><h2>{heading}{_rest(alone, shown)}</h2>{_chips(shown, kept)}</section>")
    title = f"{count(len(together), 'person')}, {count(sum(len(group.faces) for group in groups), 'face')}"
    return _PAGE.replace("{title}", html.escape(title)).replace("{body}", "\n".join(sections))


def _section(group: Group, kept: Groups) -> str:
    name = html.escape(group.name or "")
    shown = group.faces[:_MOST_CHIPS]
    heading = f"{count(len(group.photos), 'photo')}{_rest(group.faces, shown)}"
    return (
        f'<section data-group="{group.id}"><h2><label>Group {group.id} <input value="{name}" placeholder="name"'
        f' autocomplete="off"></label> <span>{heading}</span></h2>{_chips(shown, kept)}</section>'
    )


def _rest(faces: Sequence[CollectedFace], shown: Sequence[CollectedFace]) -> str:
    return f", the best {len(shown)} faces" if len(shown) < len(faces) else ""


def _chips(faces: Sequence[CollectedFace], kept: Groups) -> str:
    chips = kept.chips([face.id for face in faces])
    return "".join(_chip(face, chips[face.id].jpeg) for face in faces if face.id in chips)


def _chip(face: CollectedFace, jpeg: bytes) -> str:
    """A face as a button: pressed, it is somebody else's than its group's."""
    # A file's name may hold bytes that are no text.
    photo = html.escape(str(face.photo).encode(errors="surrogateescape").decode(errors="replace"))
    data = base64.b64encode(jpeg).decode()
    return (
        f'<button type="button" aria-pressed="false" data-face="{face.id}" title="{photo}">'
        f'<img alt="{photo}" loading="lazy" decoding="async" width="112" height="112"'
        f' src="data:image/jpeg;base64,{data}"></button>'
    )


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #222; }
header { position: sticky; top: 0; background: #fff; padding: .5rem 0; border-bottom: 1px solid #767676; }
h2 { font-size: 1rem; font-weight: normal; margin: 1.5rem 0 .5rem; }
input, header button { font: inherit; padding: .25rem .5rem; }
section { content-visibility: auto; contain-intrinsic-size: auto 10rem; }
section > button { padding: 2px; margin: 0 4px 4px 0; border: 2px solid transparent; background: none; }
section > button[aria-pressed=true] { border-color: #b05200; }
section > button[aria-pressed=true] img { opacity: .35; }
img { display: block; }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #eee; } header { background: #1b1b1b; } }
</style>
<header>
<h1>{title}</h1>
<p>Name those whom you know; one name for two groups makes them one. Press a face that is not of its group.
<button type="button" id="save">Save names.csv</button></p>
</header>
{body}
<script>
const cell = text => /[",\\r\\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
document.addEventListener("click", event => {
  const face = event.target.closest("[data-face]");
  if (face) face.setAttribute("aria-pressed", face.getAttribute("aria-pressed") !== "true");
});
document.getElementById("save").addEventListener("click", () => {
  const rows = [["group", "face", "name"]];
  for (const section of document.querySelectorAll("[data-group]")) {
    const field = section.querySelector("input"), name = field.value.trim();
    if (name && name !== field.defaultValue) rows.push([section.dataset.group, "", name]);
    for (const face of section.querySelectorAll("[aria-pressed=true]"))
      rows.push([section.dataset.group, face.dataset.face, ""]);
  }
  const text = rows.map(row => row.map(cell).join(",") + "\\r\\n").join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
  link.download = "names.csv";
  link.click();
});
</script>
</html>
"""
