"""Builds the node's wheel; with GCHAIN_NODE_COMPILED=1 the state path is compiled by mypyc (ADR compiled-state-path).

The sources are the same either way: what is not compiled here, or is run from a checkout, runs as plain Python.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from setuptools import setup

STATE_PATH = (
    "app", "cbor", "delivery", "journal", "known_keys", "messages", "recent", "rows", "state", "store", "tree", "tx",
    "replay", "validators", "verified", "engine/interface", "engine/cometbft/adapter", "engine/cometbft/framing",
    "engine/cometbft/server", "engine/cometbft/wire", "modules/context", "modules/records", "proof/merkle",
    "tlog/entries", "tlog/frontier", "tlog/recording",
)  # fmt: skip
"""Modules that every transaction passes through. The others gain nothing."""


def extensions() -> list[Any]:
    """The compiled modules; none unless asked for."""
    if os.environ.get("GCHAIN_NODE_COMPILED") != "1":
        return []
    from mypyc.build import mypycify

    options = ["--strict", "--ignore-missing-imports", "--follow-imports=silent", "--no-warn-unused-ignores"]
    paths = [str(Path("gchain_node", f"{name}.py")) for name in STATE_PATH]
    return mypycify([*options, *paths], opt_level="3", debug_level="0")


setup(ext_modules=extensions())
