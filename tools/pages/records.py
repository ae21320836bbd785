"""The reference of the JSON output, from its schema: a table a record, with what is nested in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, TypeAlias

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

Schema: TypeAlias = dict[str, Any]

MARK = "<!-- records -->"
WHOLE: Schema = json.loads((Path(__file__).parents[2] / "docs/output.schema.json").read_text(encoding="utf-8"))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the records where a page wants them."""
    return markdown.replace(MARK, "\n".join(_tables())) if MARK in markdown else markdown


def _tables() -> Iterator[str]:
    """The lines about each record."""
    for record in WHOLE["anyOf"]:
        yield f"## {record['$ref'].rpartition('/')[2]}\n\n| field | | |\n|---|---|---|"
        yield from _rows(_resolved(record))
        yield ""


def _rows(record: Schema, path: str = "") -> Iterator[str]:
    """A row for each field, and for those of what is in it."""
    for name, given in record.get("properties", {}).items():
        field = _resolved(given)
        yield f"| `{path}{name}` | {_kind(field)} | {field.get('description', '')} |"
        yield from _rows(field, f"{path}{name}.")
        yield from _rows(_resolved(field.get("items", {})), f"{path}{name}[].")


def _kind(field: Schema) -> str:
    """What a field's values are, in words."""
    if values := field.get("enum") or [field[key] for key in ("const",) if key in field]:
        return ", ".join(f"`{value}`" for value in values)
    kinds = [field["type"]] if isinstance(field["type"], str) else field["type"]
    if field.get("format"):
        kinds = [field["format"], *kinds[1:]]
    elif "maximum" in field:
        kinds = [f"{kinds[0]} from {field['minimum']} to {field['maximum']}", *kinds[1:]]
    return " or ".join(kinds)


def _resolved(schema: Schema) -> Schema:
    """A schema without references and alternatives; what it says itself counts more than what it refers to."""
    if "$ref" in schema:
        target = reduce(lambda part, key: part[key], schema["$ref"].split("/")[1:], WHOLE)
        return _resolved(target) | {key: value for key, value in schema.items() if key != "$ref"}
    if "allOf" in schema:
        parts = [_resolved(part) for part in schema["allOf"]]
        return {"type": "object", "properties": {name: of for part in parts for name, of in part["properties"].items()}}
    if either := schema.get("oneOf") or schema.get("anyOf"):
        one = _resolved(either[0])
        return one | {"type": [one["type"], "null"]} | {key: schema[key] for key in ("description",) if key in schema}
    return schema
