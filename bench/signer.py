"""What a signature costs: the token's key alone, and a vote through the signer with its journal (fsync included).

`python -m bench.signer` makes a SoftHSM store in a scratch directory, signs, and prints one JSON object: for each key
type the milliseconds at the median and the 99th percentile, bare and journalled.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gchain_node._proto import types_pb2 as types
from gchain_node.keys import Key, Pkcs11Uri, open_key
from gchain_node.keys.pin import ensure_pin
from gchain_node.keys.softhsm import SoftHsmStore
from gchain_node.keys.token import KEY_TYPES, as_key_type, generate, init_token
from gchain_node.signer.journal import Identity, Journal
from gchain_node.signer.signer import Signer
from gchain_node.signer.storage import DirectoryStorage

__all__ = ["main", "measure"]

Figures = dict[str, float]


def measure(rounds: int, directory: Path) -> dict[str, dict[str, Figures]]:
    """Key type to `{bare, journalled}`; P-256 signs no votes, so it is measured bare only."""
    uri = _new_token(directory)
    results: dict[str, dict[str, Figures]] = {}
    for name in KEY_TYPES:
        key = _new_key(uri, name)
        results[name] = {"bare": _time(rounds, _bare(key))}
        if name != "p256":
            results[name]["journalled"] = _journalled(key, rounds, directory / f"journal-{name}")
    return results


def _new_token(directory: Path) -> Pkcs11Uri:
    store = SoftHsmStore(directory / "hsm")
    store.create()
    store.enter()
    pin, so_pin = ensure_pin(directory / "pin", create=True), ensure_pin(directory / "so-pin", create=True)
    uri = Pkcs11Uri(token="bench", pin_source=directory / "pin")  # noqa: S106 -- a token's label
    init_token(uri, lambda: so_pin, lambda: pin)
    return uri


def _new_key(uri: Pkcs11Uri, key_type: str) -> Key:
    named = uri.with_object(key_type)
    pin_file = uri.pin_source
    if pin_file is None:
        raise ValueError("the bench's token has no PIN file")
    generate(named, lambda: ensure_pin(pin_file, create=False), as_key_type(key_type))
    return open_key(str(named))


def _bare(key: Key) -> Callable[[int], object]:
    return lambda number: key.sign(number.to_bytes(120, "big"))


def _journalled(key: Key, rounds: int, directory: Path) -> Figures:
    storage = DirectoryStorage(directory)
    signer = Signer(key, Journal.create(storage, Identity("bench", key.kid.hex(), 1)))

    def vote(number: int) -> None:
        message = types.Vote(type=types.SIGNED_MSG_TYPE_PREVOTE, height=number)
        message.block_id.hash = message.block_id.part_set_header.hash = bytes(32)
        message.block_id.part_set_header.total = 1
        signer.sign_vote(message)

    figures = _time(rounds, vote)
    storage.close()
    return figures


def _time(rounds: int, action: Callable[[int], object]) -> Figures:
    took = []
    for number in range(1, rounds + 1):
        start = time.perf_counter()
        action(number)
        took.append((time.perf_counter() - start) * 1000)
    cuts = statistics.quantiles(took, n=100)
    return {"p50_ms": round(cuts[49], 3), "p99_ms": round(cuts[98], 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--directory", type=Path, help="where the journal is written; a scratch directory if left out")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as scratch:
        print(json.dumps(measure(arguments.rounds, Path(scratch)), indent=2))


if __name__ == "__main__":
    main()
