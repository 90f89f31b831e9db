"""The double-sign journal: what this validator signed last, durable before the key is asked.

Files in the journal's directory:

* `journal`: one record a line, `<checksum> <JSON>`. The checksum is the first half of SHA-256 over the previous
line's checksum and this line's JSON, so that no line can change or go missing in between. Kinds of records: `init`
(chain, key, initial height), `intent` (position and sign bytes, synced before the key is asked), `signed` (the
signature).
* `mark`: two slots with the last position that the key may have been asked for, written in turn after the intent is
synced and before the key is asked. It is never ahead of a whole journal: if it is, the journal was cut short.
* `lock`: held by the one signer that uses the directory.

What a start does: a last line without its end is a write that a crash cut off; its intent was never synced, so the
key was never asked, and the mark must agree; it is cut away. Everything else that is wrong (no journal, empty, a
damaged line, a missing mark or one that is ahead, another chain or key) refuses to start: only `create` with an
explicit initial height, above all that the old files show, begins again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gchain_node.errors import SigningRefused, StateError
from gchain_node.signer.state import Entry, Position
from gchain_node.signer.storage import Storage

__all__ = ["Identity", "Journal", "Reading", "highest_seen"]

JOURNAL, MARK, FRESH = "journal", "mark", "journal.new"
COMPACT_AT = 1_048_576
_START = "0" * 32
_SLOT = 64


@dataclass(frozen=True)
class Identity:
    """Whose journal this is: chain id, key id (hex of SHA-256 of the public key's DER), and where signing may begin."""

    chain_id: str
    kid: str
    initial_height: int


class Journal:
    """An open journal. `last` is the last intent, with its signature if one was recorded."""

    def __init__(self, storage: Storage, identity: Identity, last: Entry | None, checksum: str, size: int) -> None:
        self._storage = storage
        self.identity = identity
        self.last = last
        self._checksum, self._size = checksum, size
        self._turn = 0

    @classmethod
    def create(cls, storage: Storage, identity: Identity) -> Journal:
        """Begin a journal at `identity.initial_height`, which MUST be above every position that old files show.

        A copy of an old journal stays; the new one is durable on return. Raises `SigningRefused` for too low a height.
        """
        seen = highest_seen(storage)
        if seen is not None and identity.initial_height <= seen.height:
            raise SigningRefused(
                f"the journal's directory shows {seen}: the initial height must be above {seen.height}, "
                f"not {identity.initial_height}",
                remedy="look up the chain's height, and take a height above it",
            )
        _keep_copy(storage)
        journal = cls(storage, identity, None, _START, 0)
        journal._rewrite()
        for _ in range(2):  # last: until it is done, an old mark refuses the new journal
            journal._write_mark(Position(identity.initial_height - 1, 0, 0))
        storage.sync(MARK)
        storage.sync_directory()
        return journal

    @classmethod
    def open(cls, storage: Storage, chain_id: str, kid: str) -> Journal:
        """Read and check the journal. Raises `SigningRefused` for a missing, damaged, cut or foreign one."""
        raw = storage.read(JOURNAL)
        if not raw:
            raise SigningRefused(f"the journal is {'missing' if raw is None else 'empty'}", remedy=_REMEDY)
        whole = raw[: raw.rfind(b"\n") + 1]
        if not whole:
            raise SigningRefused("the journal holds no whole record", remedy=_REMEDY)
        identity, last, checksum = _replay(whole)
        if (identity.chain_id, identity.kid) != (chain_id, kid):
            raise SigningRefused(
                f"the journal is of chain {identity.chain_id!r}, key {identity.kid[:16]}; "
                f"this signer is for chain {chain_id!r}, key {kid[:16]}",
            )
        _check_mark(storage, identity, last)
        journal = cls(storage, identity, last, checksum, len(whole))
        journal._tidy(cut=len(raw) > len(whole))
        return journal

    @property
    def reached(self) -> int:
        """The height of the last intent; before the first one, the height below the initial one."""
        return self.last.position.height if self.last is not None else self.identity.initial_height - 1

    def intend(self, position: Position, sign_bytes: bytes) -> None:
        """Record that `sign_bytes` will be signed at `position`. Durable on return: only then may the key be asked.

        On an `OSError` the file may hold half a record: the caller MUST NOT use this journal any more.
        """
        if self.last is not None and position <= self.last.position:
            raise SigningRefused(f"{position} is not above the journal's {self.last.position}")
        if self._size > COMPACT_AT:
            self._rewrite()
        self._append({"kind": "intent", **_where(position), "sign_bytes": sign_bytes.hex()})
        self._storage.sync(JOURNAL)
        self._write_mark(position)
        self.last = Entry(position, sign_bytes)

    def complete(self, signature: bytes) -> None:
        """Record the signature of the last intent. Not synced: if it is lost, the same bytes are signed again."""
        if self.last is None:
            raise StateError("there is no intent to complete")
        self._append({"kind": "signed", **_where(self.last.position), "signature": signature.hex()})
        self.last = replace(self.last, signature=signature)

    def _append(self, record: dict[str, Any]) -> None:
        line, self._checksum = _line(self._checksum, record)
        self._storage.append(JOURNAL, line)
        self._size += len(line)

    def _rewrite(self) -> None:
        """Replace the journal by its shortest form. At every point one whole journal exists under its name."""
        checksum, data = _START, b""
        for record in self._records():
            line, checksum = _line(checksum, record)
            data += line
        self._storage.remove(FRESH)
        self._storage.append(FRESH, data)
        self._storage.sync(FRESH)
        self._storage.rename(FRESH, JOURNAL)
        self._storage.sync_directory()
        self._checksum, self._size = checksum, len(data)

    def _records(self) -> Iterator[dict[str, Any]]:
        yield {
            "kind": "init",
            "version": 1,
            "chain_id": self.identity.chain_id,
            "key": self.identity.kid,
            "initial_height": self.identity.initial_height,
        }
        if self.last is not None:
            yield {"kind": "intent", **_where(self.last.position), "sign_bytes": self.last.sign_bytes.hex()}
            if self.last.signature is not None:
                yield {"kind": "signed", **_where(self.last.position), "signature": self.last.signature.hex()}

    def _tidy(self, *, cut: bool) -> None:
        """Make durable what a crash may have left half done, before anything is built on it."""
        self._storage.remove(FRESH)
        if cut:
            self._storage.truncate(JOURNAL, self._size)
        self._storage.sync(JOURNAL)
        self._storage.sync_directory()

    def _write_mark(self, position: Position) -> None:
        text = f"{position.height} {position.round} {position.step}"
        slot = f"{text} {hashlib.sha256(text.encode()).hexdigest()[:8]}".ljust(_SLOT - 1) + "\n"
        self._storage.overwrite(MARK, self._turn * _SLOT, slot.encode())
        self._turn ^= 1


_REMEDY = (
    "if this key never signed: `gchain-node signer init --initial-height 1`; otherwise give a height above the chain's"
)


class Reading(Protocol):
    """The part of `Storage` that looks without touching."""

    def read(self, name: str) -> bytes | None: ...


def highest_seen(storage: Reading) -> Position | None:
    """The highest position that the journal's files show, damaged or not; None if there are none."""
    positions = [] if storage.read(MARK) is None else _marks(storage)
    for line in (storage.read(JOURNAL) or b"").split(b"\n"):
        try:
            record = json.loads(line.partition(b" ")[2])
            positions.append(_position(record))
        except (ValueError, KeyError, TypeError):
            continue  # a damaged line shows nothing; `open` refuses it
    return max(positions, default=None)


def _keep_copy(storage: Storage) -> None:
    """Keep what is there under another name: an old journal is evidence. The original goes only when it is replaced."""
    raw = storage.read(JOURNAL)
    if raw:
        name = f"journal.before-{hashlib.sha256(raw).hexdigest()[:12]}"
        storage.remove(name)
        storage.append(name, raw)
        storage.sync(name)


def _line(previous: str, record: dict[str, Any]) -> tuple[bytes, str]:
    text = json.dumps(record, separators=(",", ":"), sort_keys=True)
    checksum = hashlib.sha256((previous + text).encode()).hexdigest()[:32]
    return f"{checksum} {text}\n".encode(), checksum


def _replay(raw: bytes) -> tuple[Identity, Entry | None, str]:
    checksum, identity, last = _START, None, None
    for number, line in enumerate(raw.decode(errors="replace").split("\n")[:-1], start=1):
        try:
            record = json.loads(line.partition(" ")[2])
            expected, checksum = _line(checksum, record)
            if expected != f"{line}\n".encode():
                raise ValueError("checksum")
            if (identity is None) != (record["kind"] == "init"):
                raise ValueError("order")
            if identity is None:
                identity = Identity(record["chain_id"], record["key"], int(record["initial_height"]))
            else:
                last = _apply(last, record)
        except (ValueError, KeyError, TypeError) as error:
            raise SigningRefused(f"the journal is damaged at line {number}", remedy=_REMEDY) from error
    if identity is None:
        raise SigningRefused("the journal holds no record", remedy=_REMEDY)
    return identity, last, checksum


def _apply(last: Entry | None, record: dict[str, Any]) -> Entry:
    position = _position(record)
    if record["kind"] == "intent":
        if last is not None and position <= last.position:
            raise ValueError("an intent that does not advance")
        return Entry(position, bytes.fromhex(record["sign_bytes"]))
    if record["kind"] != "signed" or last is None or position != last.position:
        raise ValueError("a record out of order")
    return replace(last, signature=bytes.fromhex(record["signature"]))


def _check_mark(storage: Storage, identity: Identity, last: Entry | None) -> None:
    marks = _marks(storage)
    if not marks:
        raise SigningRefused("the journal's mark is missing or damaged", remedy=_REMEDY)
    if max(marks) > (last.position if last is not None else Position(identity.initial_height, 0, 0)):
        raise SigningRefused(
            f"the journal was cut short: the key was asked at {max(marks)}, the journal ends before", remedy=_REMEDY
        )


def _marks(storage: Reading) -> list[Position]:
    found = []
    raw = storage.read(MARK) or b""
    for offset in range(0, len(raw), _SLOT):
        words = raw[offset : offset + _SLOT].decode(errors="replace").split()
        if len(words) == 4 and hashlib.sha256(" ".join(words[:3]).encode()).hexdigest()[:8] == words[3]:
            found.append(Position(int(words[0]), int(words[1]), int(words[2])))
    return found


def _where(position: Position) -> dict[str, int]:
    return {"height": position.height, "round": position.round, "step": position.step}


def _position(record: dict[str, Any]) -> Position:
    return Position(int(record["height"]), int(record["round"]), int(record["step"]))
