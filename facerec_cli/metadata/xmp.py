"""XMP packets: parsed without trust, changed without losing anything of what others wrote.

The specification (ISO 16684-1) lets one thing be written in several ways: a simple field as an attribute or an element;
the fields of a structure in the property itself or in a description within.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from lxml import etree

from facerec_cli.metadata.embedded import MAX_PACKET

Element: TypeAlias = Any
"""An element of lxml, which has no types."""

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "MP": "http://ns.microsoft.com/photo/1.2/",
    "MPRI": "http://ns.microsoft.com/photo/1.2/t/RegionInfo#",
    "MPReg": "http://ns.microsoft.com/photo/1.2/t/Region#",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
}
for _prefix, _uri in NAMESPACES.items():  # where a packet has no prefix of its own for one
    etree.register_namespace(_prefix, _uri)
_EMPTY = b"""<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 </rdf:RDF>
</x:xmpmeta>
"""


def qualified(name: str) -> str:
    """A name with a prefix of ``NAMESPACES`` as lxml has it."""
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


_RDF, _DESCRIPTION, _ITEM, _ABOUT, _TYPE = (
    qualified(f"rdf:{name}") for name in ("RDF", "Description", "li", "about", "parseType")
)
_LISTS = tuple(qualified(f"rdf:{kind}") for kind in ("Bag", "Seq", "Alt"))


class Packet:
    """An XMP packet that may be changed."""

    def __init__(self, data: bytes = _EMPTY) -> None:
        """Parse one; without data it is new.

        Raises:
            ValueError: it is too large, or no XMP: no XML, or XML with a document type, which XMP never has.
        """
        if len(data) > MAX_PACKET:
            raise ValueError(f"it has more than {MAX_PACKET >> 20} MB")
        # Whatever the encoding of the letters, but for one that nobody would write XMP in.
        if b"<!DOCTYPE" in data.replace(b"\0", b""):
            raise ValueError("it has a document type")
        parser = etree.XMLParser(
            resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, strip_cdata=False
        )
        if b"\0" not in data[:4]:  # in UTF-16 each letter has one
            data = data.strip(b"\0 \t\r\n")
        try:
            root = etree.fromstring(data, parser)
        except (etree.XMLSyntaxError, LookupError, ValueError) as error:
            raise ValueError("it is no XML") from error
        # What stands around the root belongs to the tree.
        self._tree: Element = root.getroottree()
        if self._tree.docinfo.internalDTD is not None:
            raise ValueError("it has a document type")
        rdf = next(root.iter(_RDF), None)
        if rdf is None:
            raise ValueError("it is XML, but no XMP")
        self._rdf: Element = rdf
        self._is_declared = data.lstrip(b"\xef\xbb\xbf").startswith(b"<?xml ")

    def properties(self, name: str) -> list[Element]:
        """The elements of a property of the photo, of which there should be one; what lies within others is not."""
        return [found for description in self._descriptions() for found in description.findall(qualified(name))]

    def text(self, name: str) -> str:
        """A simple property of the photo; empty where it is missing."""
        return next(filter(None, (field(one, name) for one in self._descriptions())), "")

    def drop(self, name: str) -> None:
        """Take a simple property away."""
        for description in self._descriptions():
            description.attrib.pop(qualified(name), None)
            for found in description.findall(qualified(name)):
                description.remove(found)

    def add_property(self, name: str) -> Element:
        """A new property of the photo: a structure, without fields yet."""
        first = next(self._descriptions(), None)
        # All descriptions are of one thing, whatever it is called.
        about = "" if first is None else first.get(_ABOUT, "")
        return add(add(self._rdf, "rdf:Description", {"rdf:about": about}), name)

    def to_bytes(self) -> bytes:
        """The packet in UTF-8, in place of whatever it was in, with all that stood around it."""
        data = etree.tostring(self._tree, encoding="UTF-8", xml_declaration=self._is_declared)
        return bytes(data).rstrip(b"\n") + b"\n"

    def _descriptions(self) -> Iterator[Element]:
        return (one for one in self._rdf if isinstance(one.tag, str))


def field(holder: Element, name: str) -> str:
    """A simple field of a structure; empty where it is missing."""
    text = holder.get(qualified(name))
    if text is None:
        inner = holder.find(qualified(name))
        text = None if inner is None else inner.text
    return (text or "").strip()


def structure(holder: Element, name: str) -> Element | None:
    """What holds the fields of a structure that is a field itself; None where there is none."""
    inner = holder.find(qualified(name))
    return None if inner is None else within(inner)


def within(inner: Element) -> Element:
    """What holds the fields of a property, or of an item of a list."""
    description = inner.find(_DESCRIPTION)
    return inner if description is None else description


def items(holder: Element, name: str) -> list[Element]:
    """What holds the fields of each structure in a list that is a field."""
    found = _list(holder, name)
    return [] if found is None else [within(item) for item in found.findall(_ITEM)]


def add_item(holder: Element, name: str) -> Element:
    """A new structure, without fields yet, at the end of a list that is a field, which is made where it is missing."""
    found = _list(holder, name)
    if found is None:
        inner = holder.find(qualified(name))
        found = _add(add(holder, name) if inner is None else inner, "rdf:Bag")
    return _add(found, "rdf:li")


def add(holder: Element, name: str, fields: Mapping[str, str] | None = None) -> Element:
    """A new field of a structure: a structure itself, of these simple fields and their texts."""
    if holder.tag not in (_DESCRIPTION, _RDF) and holder.get(_TYPE) != "Resource":
        _open(holder)
        holder = within(holder)
    inner = _add(holder, name)
    for key, text in (fields or {}).items():
        inner.set(qualified(key), text)
    return inner


def add_text(holder: Element, name: str, text: str) -> None:
    """A simple field of a structure, whatever it was before."""
    if holder.get(qualified(name)) is not None:
        holder.set(qualified(name), text)
        return
    inner = holder.find(qualified(name))
    (add(holder, name) if inner is None else inner).text = text


def _open(inner: Element) -> None:
    """Have a property hold elements: its fields, where they are attributes, go into a description."""
    fields = {key: text for key, text in inner.attrib.items() if not key.startswith(f"{{{NAMESPACES['rdf']}}}")}
    if not fields:
        inner.set(_TYPE, "Resource")
        return
    description = _add(inner, "rdf:Description")
    for key, text in fields.items():
        del inner.attrib[key]
        description.set(key, text)


def _add(parent: Element, name: str) -> Element:
    """A new last element within another, indented as XMP is."""
    depth = sum(1 for _ in parent.iterancestors()) + 1
    before = parent[-1] if len(parent) else None
    inner = etree.SubElement(parent, qualified(name))
    inner.tail = "\n" + " " * (depth - 1)
    if before is None:
        parent.text = "\n" + " " * depth
    else:
        before.tail = "\n" + " " * depth
    return inner


def _list(holder: Element, name: str) -> Element | None:
    inner = holder.find(qualified(name))
    return None if inner is None else next((one for one in inner if one.tag in _LISTS), None)
