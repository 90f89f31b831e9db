"""Rising load to the knee: the ledger of four on loopback beside the same CometBFT with its built-in Go key-value app.

Both sides: four validators, the same configuration, loopback, the same machine in the same run, the same load program,
transactions of the same size offered to all four in turn. Ours verifies every signature at every node and keeps the
authenticated tree. The knee is the highest committed rate.
"""

from __future__ import annotations

import itertools
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.catchup import CatchUp, catch_up
from bench.load import LoadResult, run_load
from bench.loopback import run_ledger
from bench.network import Testnet, run_testnet
from bench.workload import Workload

__all__ = ["RATES", "Side", "built_in", "ledger", "signature_cost"]

RATES = tuple(map(float, (*range(200, 1_200, 200), *range(1_200, 5_000, 400))))
_GIVES_UP = 0.6  # of the best rate so far: past the knee, more load says nothing
_PAST = 3  # rates in a row that do not give a better one: the knee lies before them


@dataclass(frozen=True)
class Side:
    """What one side did: a result a rate, processor microseconds a transaction at the best rate (`app`, `engine`: all
    four together; `load`: the program that offers), and its catch-up.
    """

    loads: list[LoadResult]
    cpu: dict[str, float]
    catch_up: CatchUp
    size: int

    @property
    def best(self) -> LoadResult:
        return max(self.loads, key=lambda result: result.committed_rate)


def ledger(rates: Sequence[float], seconds: float, *, mixed: bool = False) -> Side:
    """Signed records (or the mix) on the ledger of four."""
    with tempfile.TemporaryDirectory() as scratch, run_ledger(Path(scratch)) as running:
        workload = Workload(running.consortium, mixed)
        joining = running.joining(Path(scratch))
        return _measure(running.network, workload.take, rates, seconds, lambda: catch_up(running.network, joining))


def built_in(rates: Sequence[float], seconds: float, size: int) -> Side:
    """Transactions of `size` bytes on CometBFT's built-in app."""
    numbers = itertools.count()

    def take(count: int) -> list[bytes]:
        heads = [f"bench-{os.getpid()}-{next(numbers)}=".encode() for _ in range(count)]
        return [head + secrets.token_hex(size)[: size - len(head)].encode() for head in heads]

    with tempfile.TemporaryDirectory() as scratch, run_testnet(Path(scratch, "net"), port=18_400) as network:
        joining = {"home": Path(scratch, "joining"), "port": 18_460}
        return _measure(network, take, rates, seconds, lambda: catch_up(network, joining))


def _measure(
    network: Testnet,
    take: Callable[[int], list[bytes]],
    rates: Sequence[float],
    seconds: float,
    join: Callable[[], CatchUp],
) -> Side:
    loads: list[LoadResult] = []
    cpu: dict[str, float] = {}
    size = past = 0
    for rate in rates:
        transactions = take(int(rate * seconds))
        size = len(transactions[-1])
        before = _processor(network) | {"load": time.process_time()}
        result = _offer(network, iter(transactions), rate, seconds)
        after = _processor(network) | {"load": time.process_time()}
        count = max(1, len(result.latencies))
        best = max((load.committed_rate for load in loads), default=0.0)
        loads.append(result)
        print(f"  offered {rate:.0f}/s, committed {result.committed_rate:.0f}/s", flush=True)
        if result.committed_rate >= best:
            cpu, past = {name: 1e6 * (spent - before[name]) / count for name, spent in after.items()}, 0
            continue
        past += 1
        if past == _PAST or result.committed_rate < max(_GIVES_UP * best, rate / 3):
            break
    return Side(loads, cpu, join(), size)


def signature_cost(count: int = 3_000) -> float:
    """Processor microseconds of one P-256 verification, alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    message = secrets.token_bytes(300)
    signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
    public_key = key.public_key()
    started = time.process_time()
    for _ in range(count):
        public_key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    return 1e6 * (time.process_time() - started) / count


def _offer(network: Testnet, transactions: Iterator[bytes], rate: float, seconds: float) -> LoadResult:
    return run_load(network.rpcs, transactions, rate=rate, seconds=seconds)


def _processor(network: Testnet) -> dict[str, float]:
    """Processor seconds that the engines and the apps have used."""
    return {name: sum(_spent(pid) for pid in pids) for name, pids in network.pids.items()}


def _spent(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
