"""`make bench`: measure the kit on this machine and write docs/measurements.md. Takes about fifteen minutes.

Parts can be named: `python -m bench ledger state`. Each writes its figures to docs/measurements/, and the page is made
of all that is there, each with its date. The node is measured as hosts install it: from the wheelhouse's wheel, whose
state path is compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time

import gchain_node
from bench import page
from bench.parts import PARTS, Options
from gchain.hosts import wheelhouse
from gchain.workspace import REPOSITORY


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {versions}"


def _run_the_installed_node() -> None:
    """Start this process again with the wheelhouse's node in place of the checkout's, in it and in all it starts."""
    node = wheelhouse.installed_node(wheelhouse.build(lambda text: print(text, flush=True)))
    if not str(gchain_node.__file__).startswith(f"{node}{os.sep}"):
        path = os.pathsep.join([str(node), *filter(None, [os.environ.get("PYTHONPATH")])])
        os.execve(sys.executable, [sys.executable, "-m", "bench", *sys.argv[1:]], os.environ | {"PYTHONPATH": path})  # noqa: S606


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of: {', '.join(PARTS)} (all if none is named)")
    parser.add_argument("--name", help="for `sandbox`: one that runs already, and is left; otherwise one is made")
    parser.add_argument("--minutes", type=float, default=2.0, help="for `growth`: how long")
    parser.add_argument("--largest", type=int, default=1_000_000, help="for `state`: the largest number of keys")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS)
    if unknown:
        parser.error(f"unknown part {sorted(unknown)[0]!r}; parts are {', '.join(PARTS)}")
    _run_the_installed_node()
    options = Options(arguments.name, arguments.minutes, arguments.largest)
    for name in arguments.parts or PARTS:
        print(name, flush=True)
        started = time.monotonic()
        load = os.getloadavg()[0]
        figures = PARTS[name](options)
        about = {"date": time.strftime("%Y-%m-%d"), "machine": _machine(), "load_before": load}
        page.save(name, about | {"took": time.monotonic() - started} | figures)
        page.write()
    print(f"written: {page.PAGE.relative_to(REPOSITORY)}")
    print(json.dumps({name: figures.get("took") for name, figures in page.figures().items()}))


if __name__ == "__main__":
    main()
