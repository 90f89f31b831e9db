"""`make bench`: measure the kit on this machine and write docs/measurements.md. Takes about fifteen minutes.

`--name N` measures a sandbox that runs already and leaves it; otherwise one named `bench` is made and removed.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from typing import Any

from bench import ledger, policy, sandbox
from gchain.environment import load
from gchain.sandbox.sandbox import Sandbox
from gchain.workspace import REPOSITORY

_PAGE = REPOSITORY / "docs" / "measurements.md"
_SECONDS = 12.0
_RATES = (100.0, 200.0, 300.0)


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {versions}"


def _table(headings: list[str], rows: list[list[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _stages(times: dict[str, float]) -> str:
    rows = [[name, f"{seconds:.1f}"] for name, seconds in times.items()]
    return _table(["stage", "s"], [*rows, ["**all**", f"**{sum(times.values()):.0f}**"]])


def _memory(rows: list[dict[str, Any]]) -> str:
    programs = sorted({name for row in rows for name, mib in row["programs"].items() if mib >= 5})
    cells = [
        [row["host"], *[f"{row['programs'].get(name, 0):.0f}" for name in programs], f"{row['total']:.0f}"]
        for row in rows
    ]
    return _table(["host (PSS, MiB)", *programs, "all"], cells)


def _loads(rows: list[tuple[float, Any, Any]]) -> str:
    def cells(result: Any) -> list[str]:
        p50, p95 = result.quantile(50), result.quantile(95)
        return [f"{result.committed_rate:.0f}", f"{p50:.2f} / {p95:.2f}"]

    body = [
        [f"{rate:.0f}", *cells(ours), *cells(theirs), f"{100 * ours.committed_rate / theirs.committed_rate:.0f} %"]
        for rate, ours, theirs in rows
    ]
    ours, theirs = "four hosts, signed records", "built-in Go app, loopback"
    return _table(["offered /s", f"{ours} /s", "p50 / p95 s", f"{theirs} /s", "p50 / p95 s", "ratio"], body)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--name", help="a sandbox that runs already")
    name = parser.parse_args().name
    environment, box = load("sandbox"), Sandbox(name or "bench")
    try:
        first = sandbox.stage_times(box) if name else sandbox.bring_up(box.name)
        page = _measure(environment, box, first)
    finally:
        if not name:
            box.down()
    _PAGE.write_text(page)
    print(f"written: {_PAGE.relative_to(REPOSITORY)}")


def _measure(environment: Any, box: Sandbox, first: dict[str, float]) -> str:
    print("second runs", flush=True)
    second = sandbox.second_runs(environment, box)
    memory = sandbox.node_memory(box)
    loads = []
    for rate in _RATES:
        print(f"load: {rate:.0f} transactions a second", flush=True)
        ours = ledger.four_hosts(environment, box, rate=rate, seconds=_SECONDS)
        loads.append((rate, ours, ledger.kvstore(size=330, rate=rate, seconds=_SECONDS)))
    print("policy evaluation", flush=True)
    judged = policy.measure(environment, box)
    return _TEXT.format(
        date=time.strftime("%Y-%m-%d"),
        machine=_machine(),
        stages=_stages(first),
        second=_table(["what", "s"], [[what, f"{seconds:.1f}"] for what, seconds in second.items()]),
        memory=_memory(memory),
        total=sum(row["total"] for row in memory),
        loads=_loads(loads),
        judged=_table(["resources", "rules", "s"], [[judged.resources, judged.rules, f"{judged.seconds:.2f}"]]),
    )


_TEXT = """# Measurements

Made by `make bench` on {date}: {machine}. One run on a shared machine: read figures as orders of magnitude, and ratios
before figures. Nothing here is asserted in a test.

## `make sandbox`, everything built

{stages}

"networks: round 1" is `pulumi up` of four members at once, "networks: round 2" one after the other.

## What a first run adds

Measured once by hand on 2026-11-23 on such a machine, not by `make bench`: `go build` with an empty Go cache took
187 s for the Pulumi engine, 15 s for its language host and 25 s for CometBFT; the base image took 60 to 180 s
(load from other work), `make kit` in a fresh clone 121 s. All of it is cached.

## What must change nothing

One member: `pulumi up` under the policy pack, and `site.yml` on its host; the run fails if anything changes.

{second}

## Memory

{memory}

The four hosts together: {total:.0f} MiB of proportional set size.

## Transactions

Open load for {seconds:.0f} s on one engine, at most 128 unanswered; a transaction counts when a block has it. Ours:
P-256 signed records on the four hosts, every signature verified on each, state proofs on. Beside it, in one run: four
validators of the same CometBFT with its built-in Go key-value app, transactions of the same size, on loopback, both
with a commit timeout of 500 ms. The hosts' engines, nodes and signers share two cores with the load.

{loads}

## Policy evaluation

The state of a member's stack, its resources repeated under other names, against every enforced rule.

{judged}
""".replace("{seconds:.0f}", f"{_SECONDS:.0f}")


if __name__ == "__main__":
    main()
