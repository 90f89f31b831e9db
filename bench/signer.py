"""What a vote costs: the token's key alone, the signer with its journal (fsync included), CometBFT's own file signer.

All in one run on one disk. `python -m bench.signer` prints JSON: for each key type milliseconds at the median and the
99th percentile; `overhead` is a vote through the signer less the time its key took, vote by vote. Then the blocks that
a validator misses whose HSM takes 100 ms for each signature.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from bench import file_signer, slow_hsm
from bench.token import new_key, new_token, slow_module
from gchain_node._proto import types_pb2 as types
from gchain_node.keys import Key, Pkcs11Uri, PublicKey, open_key
from gchain_node.keys.mechanisms import KEY_TYPES
from gchain_node.signer.journal import Identity, Journal
from gchain_node.signer.signer import Signer
from gchain_node.signer.storage import DirectoryStorage

__all__ = ["main", "measure"]

Figures = dict[str, float]
_DELAYS = (0, 100)


class _TimedKey(Key):
    """A key that remembers how long its last signature took."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self.seconds = 0.0

    @property
    def public_key(self) -> PublicKey:
        return self._key.public_key

    def sign(self, message: bytes) -> bytes:
        start = time.perf_counter()
        try:
            return self._key.sign(message)
        finally:
            self.seconds = time.perf_counter() - start


def measure(rounds: int, directory: Path, *, blocks: int = 60) -> dict[str, Any]:
    """`signatures`: key type to `{bare, journalled, overhead, file_signer}`; `slow`: missed blocks by the HSM's delay.

    P-256 signs no votes and CometBFT's file signer knows no such key, so it is measured bare only.
    """
    uri = new_token(directory)
    program = file_signer.build(directory / "filepv")
    signatures = {name: _signatures(uri, name, rounds, directory, program) for name in KEY_TYPES}
    return {"rounds": rounds, "signatures": signatures, "slow": _slow(uri, blocks, directory)}


def _signatures(uri: Pkcs11Uri, name: str, rounds: int, directory: Path, program: Path) -> dict[str, Figures]:
    key = open_key(str(new_key(uri, name, name)))
    found = {"bare": _cuts([_took(partial(key.sign, number.to_bytes(120, "big"))) for number in range(rounds)])}
    if name != "p256":
        found |= _journalled(_TimedKey(key), rounds, directory / f"journal-{name}")
        found["file_signer"] = file_signer.measure(program, name, rounds, directory / f"file-{name}")
    return found


def _journalled(key: _TimedKey, rounds: int, directory: Path) -> dict[str, Figures]:
    storage = DirectoryStorage(directory)
    signer = Signer(key, Journal.create(storage, Identity("bench", key.kid.hex(), 1)))
    votes, overheads = [], []
    for number in range(1, rounds + 1):
        message = _vote(number)
        votes.append(_took(partial(signer.sign_vote, message)))
        overheads.append(votes[-1] - key.seconds)
    storage.close()
    return {"journalled": _cuts(votes), "overhead": _cuts(overheads)}


def _vote(height: int) -> types.Vote:
    message = types.Vote(type=types.SIGNED_MSG_TYPE_PREVOTE, height=height)
    message.block_id.hash = message.block_id.part_set_header.hash = bytes(32)
    message.block_id.part_set_header.total = 1
    return message


def _slow(uri: Pkcs11Uri, blocks: int, directory: Path) -> list[dict[str, Any]]:
    rows = []
    for delay in _DELAYS:
        key = new_key(uri, f"slow-{delay}", "ed25519")
        through = slow_module(key, directory / f"module-{delay}", delay)
        rows.append(asdict(slow_hsm.measure(str(through), delay, blocks, directory / f"slow-{delay}")))
    return rows


def _took(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _cuts(seconds: list[float]) -> Figures:
    cuts = statistics.quantiles(seconds, n=100)
    return {"p50_ms": round(1000 * cuts[49], 3), "p99_ms": round(1000 * cuts[98], 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--blocks", type=int, default=60, help="blocks of the network with a slow HSM")
    parser.add_argument("--directory", type=Path, help="where the journal is written; a scratch directory if left out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as scratch:
        print(json.dumps(measure(arguments.rounds, Path(scratch), blocks=arguments.blocks), indent=2))


if __name__ == "__main__":
    main()
