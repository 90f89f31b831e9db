"""Puts the provider where the engine looks for the real plugin, so that it downloads nothing."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

__all__ = ["VERSION", "install"]

VERSION = "7.51.1"
"""The plugin version that the pinned pulumi-aws package asks the engine for."""


def install(pulumi_home: Path) -> None:
    """Writes `plugins/resource-aws-v7.51.1/pulumi-resource-aws` under `pulumi_home`, safe to repeat.

    The script runs this interpreter, so the provider has the libraries of the environment that installed it. The engine
    takes a directory without a `.partial` file beside it as completely installed.
    """
    directory = pulumi_home / "plugins" / f"resource-aws-v{VERSION}"
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "pulumi-resource-aws"
    fresh = program.with_suffix(f".{os.getpid()}")
    fresh.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m gchain.sandbox.provider "$@"\n')
    fresh.chmod(0o755)
    fresh.replace(program)
