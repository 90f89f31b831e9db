"""The parts of the bench: each gives figures that can be written as JSON, for `page.py` to show."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

from bench import dev, embedded, gate, growth, knee, ledger, policy, receipts, rules, sandbox, signer, state
from gchain.environment import load
from gchain.sandbox.sandbox import Sandbox

__all__ = ["PARTS", "Options"]

Figures = dict[str, Any]
_SECONDS = 10.0
_MIXED_RATES = (200.0, 400.0, 600.0, 800.0)
_HOST_RATES = (100.0, 200.0, 300.0)


class Options:
    """What the command line said: a sandbox that runs already, and how long memory is watched."""

    def __init__(self, name: str | None, minutes: float, largest: int) -> None:
        self.name = name
        self.minutes = minutes
        self.largest = largest


def _ledger(_: Options) -> Figures:
    print(" the ledger of four", flush=True)
    ours = knee.ledger(knee.RATES, _SECONDS)
    print(" CometBFT with its built-in app", flush=True)
    theirs = knee.built_in(knee.RATES, _SECONDS, ours.size)
    print(" the mix of a government's business", flush=True)
    mixed = knee.ledger(_MIXED_RATES, _SECONDS, mixed=True)
    about = {"seconds": _SECONDS, "size": ours.size, "signature": knee.signature_cost(), "cores": os.cpu_count()}
    return about | {name: _side(side) for name, side in (("ours", ours), ("theirs", theirs), ("mixed", mixed))}


def _side(side: knee.Side) -> Figures:
    loads = [
        {
            "offered": load.offered_rate,
            "committed": load.committed_rate,
            "p50": load.quantile(50),
            "p95": load.quantile(95),
            "p99": load.quantile(99),
        }
        for load in side.loads
    ]
    return {"loads": loads, "best": side.best.committed_rate, "cpu": side.cpu, "catch_up": asdict(side.catch_up)}


def _embedded(_: Options) -> Figures:
    found = embedded.measure()
    cuts = quantiles(found.latencies, n=100)
    figures = asdict(found)
    del figures["latencies"]
    return figures | {"p50": 1000 * cuts[49], "p95": 1000 * cuts[94], "p99": 1000 * cuts[98]}


def _dev(_: Options) -> Figures:
    return dict(dev.measure())


def _state(options: Options) -> Figures:
    rows = []
    for size in state.SIZES:
        if size <= options.largest:
            print(f" {size} keys", flush=True)
            rows.append(asdict(state.measure(size)))
    return {"rows": rows}


def _receipts(_: Options) -> Figures:
    return dict(receipts.measure())


def _signer(_: Options) -> Figures:
    with TemporaryDirectory(dir="/var/tmp") as directory:  # a disk: fsync must cost what it costs
        return signer.measure(2000, Path(directory))


def _growth(options: Options) -> Figures:
    return growth.measure(options.minutes)


@contextmanager
def _box(options: Options) -> Iterator[tuple[Sandbox, dict[str, float]]]:
    """The sandbox to measure, and what its stages took; one made for this is removed."""
    box = Sandbox(options.name or "bench")
    try:
        yield box, sandbox.stage_times(box) if options.name else sandbox.bring_up(box.name)
    finally:
        if not options.name:
            box.down()


def _sandbox(options: Options) -> Figures:
    environment = load("sandbox")
    with _box(options) as (box, stages):
        print(" second runs", flush=True)
        second = sandbox.second_runs(environment, box)
        memory = sandbox.node_memory(box)
        loads = []
        for rate in _HOST_RATES:
            print(f" {rate:.0f} transactions a second on the hosts", flush=True)
            found = ledger.four_hosts(environment, box, rate=rate, seconds=_SECONDS)
            loads.append([rate, found.committed_rate, *(found.quantile(percent) for percent in (50, 95, 99))])
        judged = policy.measure(environment, box)
    return {"stages": stages, "second": second, "memory": memory, "loads": loads, "policy": asdict(judged)}


def _gate(options: Options) -> Figures:
    print(" the rules on a growing estate", flush=True)
    grown = rules.measure()
    print(" a sweep of an account", flush=True)
    swept = gate.sweep_of_account()
    print(" previews", flush=True)
    return {"rules": grown, "sweep": swept, "preview": gate.preview(load("sandbox"), f"{options.name or 'bench'}-gate")}


PARTS: dict[str, Callable[[Options], Figures]] = {
    "ledger": _ledger,
    "embedded": _embedded,
    "dev": _dev,
    "state": _state,
    "receipts": _receipts,
    "signer": _signer,
    "growth": _growth,
    "gate": _gate,
    "sandbox": _sandbox,
}
