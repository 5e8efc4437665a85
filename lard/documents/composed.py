"""Nodes of a YAML text at the speed of libyaml: its events put together, tagged as YAML 1.2 says.

Without libyaml the same events come from PyYAML's own parser, ten times slower.
"""

from __future__ import annotations

from typing import Any

import yaml
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.resolver import VersionedResolver
from ruamel.yaml.tag import Tag
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from lard.documents.json import DEPTH_LIMIT

Events: Any = getattr(yaml, "CLoader", yaml.Loader)
_SHORT = 8  # longer texts are hardly ever met twice


class DepthError(Exception):
    """A text is nested deeper than is read; its line."""


def composed(text: str) -> Node | None:
    """The nodes of a text's only document; yaml.YAMLError or DepthError where there is none such."""
    events, composing, documents = Events(text), _Composing(), 0
    while type(event := events.get_event()) is not StreamEndEvent:
        if type(event) is DocumentStartEvent:
            documents += 1
            if documents > 1:
                raise yaml.composer.ComposerError(
                    None, None, "a second document begins; expected one", event.start_mark
                )
            composing.tags = _Tags(event.version or (1, 2))
        composing.take(event)
    return composing.root


class _Tags:
    """Kinds of plain scalars by the rules of a YAML version."""

    def __init__(self, version: tuple[int, int]) -> None:
        self._resolver = VersionedResolver(version=version)
        self._short: dict[str, Tag] = {}

    def of(self, text: str) -> Tag:
        """The kind of a plain scalar's text."""
        if text in self._short:
            return self._short[text]
        tag: Tag = self._resolver.resolve(ScalarNode, text, (True, False))
        if len(text) <= _SHORT:
            self._short[text] = tag
        return tag


class _Composing:
    """One pass over a document's events: its root, the nodes still open, and those that aliases may name."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self.tags = _Tags((1, 2))
        self._open: list[tuple[Node, list[Node]]] = []
        self._anchors: dict[str, Node] = {}

    def take(self, event: Any) -> None:
        """Take one event of the document."""
        kind = type(event)
        if kind is ScalarEvent:
            if event.tag not in (None, "!"):
                tag = Tag(suffix=event.tag)
            elif event.implicit[0] and event.tag is None:
                tag = self.tags.of(event.value)
            else:
                tag = VersionedResolver.DEFAULT_SCALAR_TAG
            self._put(
                ScalarNode(tag, event.value, event.start_mark, event.end_mark, event.style), event.anchor
            )
        elif kind is SequenceStartEvent or kind is MappingStartEvent:
            self._begin(event, kind is SequenceStartEvent)
        elif kind is SequenceEndEvent or kind is MappingEndEvent:
            node, parts = self._open.pop()
            node.value = (
                parts if kind is SequenceEndEvent else list(zip(parts[::2], parts[1::2], strict=True))
            )
            node.end_mark = event.end_mark
        elif kind is AliasEvent:
            if event.anchor not in self._anchors:
                what = f"found undefined alias {event.anchor!r}"
                raise yaml.composer.ComposerError(None, None, what, event.start_mark)
            self._put(self._anchors[event.anchor], None)

    def _begin(self, event: Any, is_list: bool) -> None:
        if len(self._open) >= DEPTH_LIMIT:
            raise DepthError(event.start_mark.line + 1)
        default = VersionedResolver.DEFAULT_SEQUENCE_TAG if is_list else VersionedResolver.DEFAULT_MAPPING_TAG
        tag = default if event.tag in (None, "!") else Tag(suffix=event.tag)
        node = (SequenceNode if is_list else MappingNode)(tag, [], event.start_mark, None, event.flow_style)
        self._put(node, event.anchor)
        self._open.append((node, []))

    def _put(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1][1].append(node)
        else:
            self.root = node
