"""Find secrets in any stream of bytes: raw in both byte orders, hexadecimal, and base64 at each alignment, in one pass.

Each half of a secret is searched by itself, so that a copy cut by a line break or a block's end is seen.
"""

from __future__ import annotations

import base64
import ctypes
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Found", "SecretSearch", "compiled", "forms"]

_ROOM = 1024


@dataclass(frozen=True, order=True)
class Found:
    """One copy: of which secret, written how (`raw`, `reversed`, `hex`, `base64`), how far into the stream."""

    secret: str
    form: str
    position: int


def forms(piece: bytes) -> Iterator[tuple[str, bytes]]:
    """How these bytes may be written down: name of the form, and what it looks like."""
    yield "raw", piece
    yield "reversed", piece[::-1]  # how a big number lies in memory
    yield "hex", piece.hex().encode()
    yield "hex", piece.hex().upper().encode()
    for before in range(3):
        # The characters that hold bits of this piece alone, whatever stands before and after it.
        text = base64.b64encode(bytes(before) + piece)[-(-before * 8 // 6) : (before + len(piece)) * 8 // 6]
        yield "base64", text
        yield "base64", text.translate(bytes.maketrans(b"+/", b"-_"))


def _patterns(secrets: Mapping[str, bytes]) -> dict[bytes, tuple[str, str]]:
    halves = (
        (name, half)
        for name, secret in secrets.items()
        for half in (secret[: len(secret) // 2], secret[len(secret) // 2 :])
    )
    return {text: (name, form) for name, half in halves for form, text in forms(half)}


def compiled(directory: Path) -> Path:
    """The search's inner loop as a library. Raises `RuntimeError` without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise RuntimeError("no C compiler (cc) on PATH: the search is compiled here")
    library = directory / "search.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", library, Path(__file__).with_name("search.c")], check=True
    )
    return library


class SecretSearch:
    """Searches for `secrets` (bytes by name, at least 16 each). `library` is what `compiled` made."""

    def __init__(self, library: Path, secrets: Mapping[str, bytes]) -> None:
        short = [name for name, secret in secrets.items() if len(secret) < 16]
        if short or not secrets:
            raise ValueError(f"nothing to search for, or too short to be told from chance: {short}")
        self._patterns = _patterns(secrets)
        texts = list(self._patterns)
        self._longest = max(map(len, texts))
        self._texts = (ctypes.c_char_p * len(texts))(*texts)
        self._lengths = (ctypes.c_size_t * len(texts))(*map(len, texts))
        self._names = list(self._patterns.values())
        self._library = ctypes.CDLL(str(library))
        self._library.search_make.restype = ctypes.c_void_p
        self._library.search_run.restype = ctypes.c_size_t
        self._made = ctypes.c_void_p(self._library.search_make(self._texts, self._lengths, ctypes.c_int32(len(texts))))

    def run(self, chunks: Iterable[bytes]) -> set[Found]:
        """Every copy in a stream that comes in chunks; one that lies across chunks is found too."""
        found: set[Found] = set()
        kept, start = b"", 0  # the end of what was searched, and where in the stream it begins
        for chunk in chunks:
            data = kept + chunk
            found |= {Found(*self._names[number], start + at) for at, number in self._in(data)}
            kept = data[-(self._longest - 1) :]
            start += len(data) - len(kept)
        return found

    def _in(self, data: bytes) -> list[tuple[int, int]]:
        hits = (ctypes.c_uint64 * (2 * _ROOM))()
        count = self._library.search_run(self._made, data, ctypes.c_size_t(len(data)), hits, ctypes.c_size_t(_ROOM))
        return [(hits[2 * n], hits[2 * n + 1]) for n in range(min(count, _ROOM))]
