"""docs/measurements.md and its charts, made of the figures of each part in docs/measurements/."""

from __future__ import annotations

import json
from collections.abc import Callable
from statistics import median
from typing import Any

from bench.chart import Line, line_chart
from gchain.workspace import REPOSITORY

__all__ = ["PAGE", "figures", "save", "write"]

PAGE = REPOSITORY / "docs" / "measurements.md"
_FIGURES = REPOSITORY / "docs" / "measurements"
_TARGET = 0.6  # of the built-in app's rate
_IMAGES = REPOSITORY / "docs" / "images"
_HEAD = """# Measurements

Made by `make bench`; each section names the command that makes it alone, when it ran, on what, and the machine's load
just before. Read figures as orders of magnitude on a shared machine, and ratios before figures: each stands beside its
alternative from the same run. Nothing here is asserted in a test.
"""


def save(name: str, found: dict[str, Any]) -> None:
    _FIGURES.mkdir(exist_ok=True)
    (_FIGURES / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def figures() -> dict[str, dict[str, Any]]:
    """Of every part that has been measured, in the order of the page."""
    found = {}
    for name in _SECTIONS:
        path = _FIGURES / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text())
    return found


def write() -> None:
    sections = [_SECTIONS[name](found) + _made(name, found) for name, found in figures().items()]
    PAGE.write_text("\n".join([_HEAD, *sections]))


def _made(name: str, found: dict[str, Any]) -> str:
    return (
        f"\n`python -m bench {name}`, {found['date']}, {found['took']:.0f} s: {found['machine']}; "
        f"load before {found['load_before']:.1f}.\n"
    )


def _table(headings: list[str], rows: list[list[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def _ledger(found: dict[str, Any]) -> str:
    ours, theirs, mixed = found["ours"], found["theirs"], found["mixed"]
    chart = line_chart(
        "Committed transactions a second at rising load",
        "offered a second",
        "committed a second",
        [
            Line(name, [(load["offered"], load["committed"]) for load in side["loads"]])
            for name, side in (("ledger of four", ours), ("built-in Go app", theirs), ("government mix", mixed))
        ],
    )
    (_IMAGES / "throughput.svg").write_text(chart)
    ratio = 100 * ours["best"] / theirs["best"]
    rows = [_load(name, load) for name, side in _named(found) for load in side["loads"]]
    caught = [
        [
            name,
            c["blocks"],
            c["transactions"],
            f"{c['blocks'] / c['seconds']:.0f}",
            f"{c['transactions'] / c['seconds']:.0f}",
        ]
        for name, c in ((name, side["catch_up"]) for name, side in _named(found))
    ]
    spent = [[name, *(f"{side['cpu'][of]:.0f}" for of in ("app", "engine", "load"))] for name, side in _named(found)]
    room = 1e6 * found["cores"] / (_TARGET * theirs["best"])
    rest = room - ours["cpu"]["engine"] - ours["cpu"]["load"]
    return f"""## Transactions: four validators on one machine

Four validators on loopback, transactions of {found["size"]} bytes, {found["seconds"]:.0f} s a rate, offered to all four
in turn, at most 128 unanswered; a transaction counts when a block has it. Ours: P-256 signed records, every
signature verified at each node, state with proofs. Beside it the same CometBFT, equally configured, with its
built-in Go key-value app. At its knee ours {ours["best"]:.0f} a second, the Go app
{theirs["best"]:.0f}: **{ratio:.0f} %**.
The mix of a government's business is 36 % records, 27 % finance, 18 % identity, 14 % provenance, 5 % workflow; the
last four are not modules yet, records of the same size stand in for them.

![Committed transactions a second at rising load](images/throughput.svg)

{_table(["side", "offered /s", "committed /s", "p50 s", "p95 s", "p99 s"], rows)}
Processor microseconds a committed transaction at the knee, all four validators together:

{_table(["side", "nodes", "engines", "load program"], spent)}
The target is {100 * _TARGET:.0f} % of the Go app. At that rate {found["cores"]} cores have {room:.0f} microseconds
a transaction; engines and load program of ours leave {rest:.0f} of them, {rest / 4:.0f} a node.
A node takes {ours["cpu"]["app"] / 4:.0f}, of which one verification of P-256, alone on a core,
is {found["signature"]:.0f}.

Catching up: a further node without data, from its first block to the height that the others had when it started.

{_table(["side", "blocks", "transactions", "blocks /s", "transactions /s"], caught)}"""


def _named(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [("ledger of four", found["ours"]), ("built-in Go app", found["theirs"]), ("government mix", found["mixed"])]


def _load(name: str, load: dict[str, float]) -> list[str]:
    times = [f"{load[percent]:.2f}" for percent in ("p50", "p95", "p99")]
    return [name, f"{load['offered']:.0f}", f"{load['committed']:.0f}", *times]


def _embedded(found: dict[str, Any]) -> str:
    rows = [
        [
            "embedded engine, signed, durable",
            f"{found['rate']:.0f}",
            *(f"{found[p]:.0f}" for p in ("p50", "p95", "p99")),
        ],
        ["SQLite alone, the same bytes in as many commits", f"{found['sqlite_rate']:.0f}", "", "", ""],
    ]
    return f"""## The embedded engine

{found["transactions"]} signed records offered by two threads of the same process, in {found["blocks"]} blocks; each
block is two synced writes. Signing is not counted.

{_table(["what", "transactions /s", "p50 ms", "p95 ms", "p99 ms"], rows)}"""


def _dev(found: dict[str, Any]) -> str:
    names = {
        "first": "`gchain-node dev`, the first time: keys, genesis and go-live are made",
        "again": "`gchain-node dev`, later",
        "built_in": "CometBFT with its built-in app, one node: `init`, `node`, first block",
    }
    rows = [[text, *(f"{pick(found[name]):.2f}" for pick in (median, max))] for name, text in names.items()]
    return f"""## Starting a development ledger

From the command to an API that says that it is ready; {len(found["first"])} rounds. The target is under 2 s.

{_table(["what", "median s", "slowest s"], rows)}"""


def _state(found: dict[str, Any]) -> str:
    rows = found["rows"]
    lines = [
        Line("block of 500, mean", [(row["keys"], row["commit_mean"]) for row in rows]),
        Line("block of 500, p50", [(row["keys"], row["commit_p50"]) for row in rows]),
        Line("plain SQLite, mean", [(row["keys"], row["plain_mean"]) for row in rows]),
    ]
    chart = line_chart("Time to commit a block as the state grows", "keys", "milliseconds", lines, log_x=True)
    (_IMAGES / "state.svg").write_text(chart)
    names = ("commit_p50", "commit_mean", "commit_p95", "commit_p99", "plain_p50", "plain_mean", "proof_p50", "start")
    body = [
        [
            f"{row['keys']:,}",
            *(f"{row[n]:.2f}" for n in names),
            *(f"{row[n]:.0f}" for n in ("disk", "plain_disk", "memory")),
        ]
        for row in rows
    ]
    headings = ["keys", "commit p50 ms", "mean", "p95", "p99", "plain p50 ms", "mean", "proof p50 ms", "start ms"]
    return f"""## A large state

Blocks of 500 changes, a fifth of them to keys that exist: the tree computed, values written and synced. One of ten to
sixteen also moves what waited in the journal into the tables: *p95* is such a block, the *mean* has its share of them.
*Plain* is a SQLite table that takes the same blocks without tree, proofs or checksums. *Start* is opening the
database with 4,000 changes in the journal, whose part of the tree is computed again, and the first proof. Memory is
the resident peak of the process, filling the state included.

![Time to commit a block as the state grows](images/state.svg)

{_table([*headings, "disk MiB", "plain MiB", "memory MiB"], body)}"""


def _receipts(found: dict[str, Any]) -> str:
    rows = [
        ["receipt", *(f"{found[name]:.2f}" for name in ("p50", "p95", "p99"))],
        ["its transaction's P-256 signature alone", f"{found['signature']:.2f}", "", ""],
    ]
    return f"""## Verifying a receipt

One transaction of a block of 500, offline, with the trust file read; the receipt has {found["bytes"]:.0f} bytes.

{_table(["what", "p50 ms", "p95 ms", "p99 ms"], rows)}"""


def _signer(found: dict[str, Any]) -> str:
    names = {
        "bare": "the token's key alone",
        "journalled": "a vote through the signer, journal synced",
        "overhead": "of that, all but the key",
        "file_signer": "CometBFT's file signer",
    }
    rows = [
        [key_type, words, f"{kinds[kind]['p50_ms']:.2f}", f"{kinds[kind]['p99_ms']:.2f}"]
        for key_type, kinds in found["signatures"].items()
        for kind, words in names.items()
        if kind in kinds
    ]
    slow = [[f"{row['delay_ms']} ms", row["blocks"], row["missed"], f"{row['seconds']:.0f}"] for row in found["slow"]]
    return f"""## The signer

{found["rounds"]} signatures of each kind with SoftHSM on one disk. The target is an overhead under 5 ms at p99.

{_table(["key", "what", "p50 ms", "p99 ms"], rows)}
Four engines, one validator signing through a module that adds the delay to every signature:

{_table(["HSM's delay", "blocks", "missed by it", "s"], slow)}"""


def _growth(found: dict[str, Any]) -> str:
    readings = found["readings"]
    picked = [
        readings[at]
        for at in sorted({0, len(readings) // 4, len(readings) // 2, 3 * len(readings) // 4, -1 % len(readings)})
    ]
    rows = [[f"{count:,}", f"{size:.0f}"] for count, size in picked]
    return f"""## Memory under lasting load

A ledger in one process, {found["minutes"]:g} minutes of signing and committing without a pause,
{found["transactions"]:,} transactions. What is remembered of transactions is bounded, and full after about ten
thousand.

{_table(["transactions so far", "resident MiB"], rows)}"""


def _gate(found: dict[str, Any]) -> str:
    grown, swept, preview = found["rules"], found["sweep"], found["preview"]
    line = Line("all rules", [(row["resources"], row["seconds"]) for row in grown])
    chart = line_chart("Time to judge an estate as it grows", "resources", "seconds", [line])
    (_IMAGES / "rules.svg").write_text(chart)
    sizes = [
        [f"{row['resources']:,}", row["rules"], row["findings"], f"{row['seconds']:.1f}", f"{row['memory']:.0f}"]
        for row in grown
    ]
    busiest = ", ".join(f"{name} {count}" for name, count in swept["services"].items())
    cost = f"{swept['calls'] / swept['resources']:.1f}"
    row = [swept["resources"], swept["regions"], swept["calls"], cost]
    seconds = [f"{swept[name]:.1f}" for name in ("seconds", "cpu", "judged")]
    runs = [
        [what, *(f"{seconds:.1f}" for seconds in preview[side])]
        for what, side in (("without the pack", "without"), ("with the pack", "with"))
    ]
    return f"""## The residency gate

The whole catalogue over one stack export, reading it included; the resources are those of the rule cases, leaks and
clean ones of every type that a rule reads. The target is 10,000 in under 10 s and under 1 GB.

![Time to judge an estate as it grows](images/rules.svg)

{_table(["resources", "rules", "findings", "s", "peak MiB"], sizes)}
A live sweep of one account in a local cloud, which answers from one process on the same cores: of the seconds on
the clock, only those in the next column are the sweep's own. Busiest services, in calls: {busiest}.

{_table(["resources", "regions", "API calls", "calls a resource", "s", "s of CPU", "s to judge"], [[*row, *seconds]])}
`pulumi preview` of a member stack that is not made yet ({preview["resources"]} resources), turn about; with the pack it
takes **{preview["ratio"]:.2f} times** as long (medians).

{_table(["seconds", *(f"run {number}" for number in range(1, 1 + len(preview["with"])))], runs)}"""


def _sandbox(found: dict[str, Any]) -> str:
    stages = [[name, f"{seconds:.1f}"] for name, seconds in found["stages"].items()]
    total = sum(found["stages"].values())
    programs = sorted({name for row in found["memory"] for name, mib in row["programs"].items() if mib >= 5})
    memory = [
        [row["host"], *(f"{row['programs'].get(name, 0):.0f}" for name in programs), f"{row['total']:.0f}"]
        for row in found["memory"]
    ]
    loads = [
        [f"{rate:.0f}", f"{done:.0f}", *(f"{each:.2f}" for each in times)] for rate, done, *times in found["loads"]
    ]
    judged = found["policy"]
    return f"""## `make sandbox`, everything built

{_table(["stage", "s"], [*stages, ["**all**", f"**{total:.0f}**"]])}
"networks: round 1" is `pulumi up` of four members at once, "networks: round 2" one after the other.

What a first run adds, measured once by hand on 2026-11-23: `go build` with an empty Go cache took 187 s for the Pulumi
engine, 15 s for its language host and 25 s for CometBFT; the base image took 60 to 180 s, `make kit` in a fresh
clone 121 s. All of it is cached.

What must change nothing, for one member: `pulumi up` under the policy pack, and `site.yml` on its host.

{_table(["what", "s"], [[what, f"{seconds:.1f}"] for what, seconds in found["second"].items()])}
Memory (proportional set size, MiB), the four hosts together {sum(row["total"] for row in found["memory"]):.0f}:

{_table(["host", *programs, "all"], memory)}
The ledger of four on these hosts, with remote signers, packet filters and exporters, records of all members:

{_table(["offered /s", "committed /s", "p50 s", "p95 s", "p99 s"], loads)}
Policies: the state of a member's stack, its resources repeated under other names, against every enforced rule.

{_table(["resources", "rules", "s"], [[judged["resources"], judged["rules"], f"{judged['seconds']:.2f}"]])}"""


_SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
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
