"""PKCS#11 URIs (RFC 7512), as far as they name one key.

Path attributes `token`, `serial`, `manufacturer`, `model`, `slot-id`, `object`, `id`, `type`; query attributes
`module-path`, `pin-source` (a `file:` URI or a path), and one of our own, `x-softhsm2-conf`: the SoftHSM
configuration of a store that is not the one of the process's environment. `pin-value` is refused: a PIN has no place
in a configuration file or an argument.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from gchain_node.errors import ConfigurationError

__all__ = ["DEFAULT_MODULE", "Pkcs11Uri"]

DEFAULT_MODULE = "/usr/lib/softhsm/libsofthsm2.so"
_PATH = {"token", "serial", "manufacturer", "model", "slot-id", "object", "id", "type"}
_QUERY = {"module-path", "pin-source", "x-softhsm2-conf"}
_TYPES = {"private", "public", "cert", "data", "secret-key"}
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True)
class Pkcs11Uri:
    """One parsed URI. Empty fields match anything; `id` is raw bytes."""

    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    slot_id: int | None = None
    object: str | None = None
    id: bytes | None = None
    type: str | None = None
    module_path: str = DEFAULT_MODULE
    pin_source: Path | None = None
    softhsm2_conf: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Pkcs11Uri:
        """Raises `ConfigurationError` naming the attribute that is unknown, repeated or malformed."""
        if not text.startswith("pkcs11:"):
            raise ConfigurationError(f"not a PKCS#11 URI (RFC 7512), which begins with 'pkcs11:': {text!r}")
        path, _, query = text.removeprefix("pkcs11:").partition("?")
        fields = _attributes(path, ";", _PATH) | _attributes(query, "&", _QUERY)
        words = {name: _text(name, value) for name, value in fields.items() if name != "id"}
        return cls(
            token=words.get("token"),
            serial=words.get("serial"),
            manufacturer=words.get("manufacturer"),
            model=words.get("model"),
            slot_id=_slot(words.get("slot-id")),
            object=words.get("object"),
            id=fields.get("id"),
            type=_object_type(words.get("type")),
            module_path=words.get("module-path", DEFAULT_MODULE),
            pin_source=_file(words.get("pin-source")),
            softhsm2_conf=_file(words.get("x-softhsm2-conf")),
        )

    def with_object(self, label: str) -> Pkcs11Uri:
        return replace(self, object=label)

    def __str__(self) -> str:
        path = {"token": self.token, "serial": self.serial, "manufacturer": self.manufacturer, "model": self.model}
        path |= {"slot-id": None if self.slot_id is None else str(self.slot_id), "object": self.object}
        parts = [f"{name}={quote(value, safe='')}" for name, value in path.items() if value is not None]
        if self.id is not None:
            parts.append("id=" + "".join(f"%{byte:02X}" for byte in self.id))
        parts += [f"type={self.type}"] if self.type else []
        query = [f"module-path={quote(self.module_path)}"]
        query += [f"pin-source=file:{quote(str(self.pin_source))}"] if self.pin_source else []
        query += [f"x-softhsm2-conf=file:{quote(str(self.softhsm2_conf))}"] if self.softhsm2_conf else []
        return f"pkcs11:{';'.join(parts)}?{'&'.join(query)}"


def _attributes(text: str, separator: str, known: set[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise ConfigurationError(
                "a PKCS#11 URI carries pin-value", remedy="put the PIN in a file and name it by pin-source=file:PATH"
            )
        if name not in known or not equals:
            raise ConfigurationError(f"PKCS#11 URI: {part!r} is none of {', '.join(sorted(known))}")
        if name in found:
            raise ConfigurationError(f"PKCS#11 URI: {name} is given twice")
        if _BROKEN_ESCAPE.search(value):
            raise ConfigurationError(f"PKCS#11 URI: {name} has a '%' that two hexadecimal digits do not follow")
        found[name] = unquote_to_bytes(value)
    return found


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"PKCS#11 URI: {name} is not UTF-8") from None


def _slot(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise ConfigurationError(f"PKCS#11 URI: slot-id is {text!r}, a number expected")
    return int(text)


def _object_type(text: str | None) -> str | None:
    if text is not None and text not in _TYPES:
        raise ConfigurationError(f"PKCS#11 URI: type is {text!r}, one of {', '.join(sorted(_TYPES))} expected")
    return text


def _file(text: str | None) -> Path | None:
    if text is None:
        return None
    path = Path(text.removeprefix("file:").removeprefix("//") if text.startswith("file:") else text)
    if not path.is_absolute():
        raise ConfigurationError(f"PKCS#11 URI: {text!r} is not an absolute path or a file: URI of one")
    return path
