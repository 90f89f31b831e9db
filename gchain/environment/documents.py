"""YAML files with the line of every key, so that an error can say where it is.

PyYAML keeps the last of two equal keys; a document read here refuses the second one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from gchain.errors import ConfigurationError

__all__ = ["Document", "KeyPath", "read"]

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A parsed file: its content and the line (from 1) on which each key path starts."""

    path: Path
    content: object
    lines: dict[KeyPath, int]

    def line(self, key: KeyPath) -> int | None:
        """The line of a key, or of the nearest key above it."""
        while key and key not in self.lines:
            key = key[:-1]
        return self.lines.get(key)

    def where(self, key: KeyPath) -> str:
        """`<file>:<line>: <key path>`, as editors understand it."""
        line = self.line(key)
        place = f"{self.path}:{line}" if line else str(self.path)
        return f"{place}: {dotted(key)}" if key else place


def dotted(key: KeyPath) -> str:
    """`('members', 0, 'name')` as `members[0].name`."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(path: Path) -> Document:
    """Read one YAML document.

    Raises:
        ConfigurationError: the file is missing, is not YAML, or says a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", remedy="create the file, or check the name") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    lines: dict[KeyPath, int] = {}
    if root is not None:
        _collect(path, root, (), lines)
    return Document(path, content, lines)


def _collect(path: Path, node: yaml.Node, key: KeyPath, lines: dict[KeyPath, int]) -> None:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[(*key, index)] = item.start_mark.line + 1
            _collect(path, item, (*key, index), lines)
    elif isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            child = (*key, str(name.value))
            if child in lines:
                raise ConfigurationError(
                    f"{path}:{name.start_mark.line + 1}: {dotted(child)} is given twice (first on line {lines[child]})",
                    remedy="remove one of the two",
                )
            lines[child] = name.start_mark.line + 1
            _collect(path, value, child, lines)
