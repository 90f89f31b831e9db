"""What a large state costs: commit and proof time, disk, memory and start-up from a thousand to a million keys.

Keys and values have the size of records. Beside the store, in the same run, a plain SQLite table takes the same blocks
without tree, proofs or checksums. `python -m bench.state --keys N` measures one size in this process and prints JSON;
memory is that process's alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, quantiles

from gchain_node.proof.state import StateProof
from gchain_node.store import Batch, Store
from gchain_node.tree import Tree

__all__ = ["SIZES", "StateFigures", "measure"]

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_BLOCK = 500  # changes a block
_BLOCKS = 80
_WAITING = 8  # blocks that are in the journal at the start that is measured
_PROOFS = 500
_BULK = 20_000
_SEED = 7


@dataclass(frozen=True)
class StateFigures:
    """Times in milliseconds, sizes in MiB.

    `commit` is computing the tree and writing a block of 500 changes; some blocks also move what waited in the journal
    into the tables, which the mean has its share of. `start` is with 4,000 changes in it.
    """

    keys: int
    commit_p50: float
    commit_mean: float
    commit_p95: float
    commit_p99: float
    plain_p50: float
    plain_mean: float
    proof_p50: float
    proof_p99: float
    start: float
    disk: float
    plain_disk: float
    memory: float


def measure(keys: int) -> StateFigures:
    """Measure a state of `keys` keys in a process of its own."""
    command = [sys.executable, "-m", "bench.state", "--keys", str(keys)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return StateFigures(**json.loads(done.stdout))


def _values(start: int, count: int, choice: random.Random) -> dict[bytes, bytes | None]:
    return {b"records/%016d" % number: choice.randbytes(180) for number in range(start, start + count)}


def _blocks(keys: int, choice: random.Random) -> Iterator[dict[bytes, bytes | None]]:
    """Blocks of which a fifth overwrites what is there."""
    for number in range(_WAITING + _BLOCKS):
        block = _values(keys + number * _BLOCK, _BLOCK * 4 // 5, choice)
        for _ in range(_BLOCK // 5):
            block[b"records/%016d" % choice.randrange(keys)] = choice.randbytes(180)
        yield block


def _fill(path: Path, keys: int, choice: random.Random) -> None:
    with closing(Store(path)) as store:
        tree = Tree(store.page)
        for start in range(0, keys, _BULK):
            values = _values(start, min(_BULK, keys - start), choice)
            change = tree.update(values)
            store.commit(Batch(store.height + 1, change.root, values, change.pages))


def _measure(home: Path, keys: int) -> StateFigures:
    choice = random.Random(_SEED)  # noqa: S311 -- bytes to fill a table
    path, plain = home / "state.db", home / "plain.db"
    _fill(path, keys, choice)
    blocks = _blocks(keys, choice)
    with closing(Store(path)) as store:
        for block in itertools.islice(blocks, _WAITING):
            _commit(store, Tree(store.page), block)
    started = time.perf_counter()
    store = Store(path)
    tree = Tree(store.page)
    _prove(store, tree, b"records/%016d" % 0)
    start = (time.perf_counter() - started) * 1000
    with closing(store):
        commits = [_timed(lambda block=block: _commit(store, tree, block)) for block in blocks]  # type: ignore[misc]
        asked = [b"records/%016d" % choice.randrange(2 * keys) for _ in range(_PROOFS)]
        proofs = [_timed(lambda key=key: _prove(store, tree, key)) for key in asked]  # type: ignore[misc]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    plain_times = _plain(plain, keys, choice)
    commit, proof = quantiles(commits, n=100), quantiles(proofs, n=100)
    return StateFigures(
        keys=keys,
        commit_p50=commit[49],
        commit_mean=fmean(commits),
        commit_p95=commit[94],
        commit_p99=commit[98],
        plain_p50=quantiles(plain_times, n=100)[49],
        plain_mean=fmean(plain_times),
        proof_p50=proof[49],
        proof_p99=proof[98],
        start=start,
        disk=path.stat().st_size / 2**20,
        plain_disk=plain.stat().st_size / 2**20,
        memory=memory,
    )


def _timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def _commit(store: Store, tree: Tree, block: dict[bytes, bytes | None]) -> None:
    change = tree.update(block)
    store.commit(Batch(store.height + 1, change.root, block, change.pages))


def _prove(store: Store, tree: Tree, key: bytes) -> bytes:
    path = tree.path(key)
    return StateProof(key, store.get(key), path.siblings, path.end).encode()


def _plain(path: Path, keys: int, choice: random.Random) -> list[float]:
    connection = sqlite3.connect(path, isolation_level=None)
    with closing(connection):
        for pragma in ("synchronous=EXTRA", "journal_mode=WAL", "cache_size=-32768"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE value (key BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID")

        def write(values: dict[bytes, bytes | None]) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO value VALUES (?, ?)", values.items())
            connection.execute("COMMIT")

        for start in range(0, keys, _BULK):
            write(_values(start, min(_BULK, keys - start), choice))
        return [_timed(lambda block=block: write(block)) for block in _blocks(keys, choice)]  # type: ignore[misc]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.state", description=__doc__)
    parser.add_argument("--keys", type=int, required=True)
    keys = parser.parse_args().keys
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(asdict(_measure(Path(scratch), keys))))


if __name__ == "__main__":
    main()
