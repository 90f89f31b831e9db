"""Long work as named stages: shown as it goes, timed, logged, and explained when it fails.

A stage writes to its own log under the workspace. When it fails the reader gets what failed, the last lines of that
log, its path and how to resume. The timings of the last run lie in `run/stages.json` for `gchain status` and the bench.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.status import Status

from gchain.errors import GchainError
from gchain.workspace import Workspace
from gchain_node.errors import NodeError

__all__ = ["Stage", "StageFailedError", "StageLog", "each", "run_stages"]

_TAIL = 20

T = TypeVar("T")
R = TypeVar("R")


class StageFailedError(GchainError):
    """A stage ended with an error; the message names the stage, and the log's end is in it."""


@dataclass
class StageLog:
    """What a stage may say: `line` goes to its log and is shown while it runs; `path` is the log."""

    path: Path
    _show: Callable[[str], None] = field(default=lambda _: None)

    def write(self, text: str) -> None:
        """Put `text` into the log without showing it."""
        with self.path.open("a") as out:
            out.write(text.rstrip() + "\n")

    def line(self, text: str) -> None:
        self.write(text)
        shown = text.strip().splitlines()
        if shown:
            self._show(shown[-1][:100])


@dataclass(frozen=True)
class Stage:
    """One step: `work` does it, safe to repeat, and returns a short phrase of what it found or made."""

    name: str
    work: Callable[[StageLog], str | None]

    @property
    def slug(self) -> str:
        return self.name.replace(" ", "-").replace(":", "").lower()


def each(members: Iterable[T], work: Callable[[T], R], *, at_once: int = 4) -> list[R]:
    """Run `work` for every member side by side; the first error is raised after all have ended."""
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        futures = [pool.submit(work, member) for member in members]
    return [future.result() for future in futures]


def _log_tail(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return "\n".join(f"    {line}" for line in lines[-_TAIL:])


def _failure(stage: Stage, log: StageLog, error: Exception, resume: str) -> StageFailedError:
    explained = isinstance(error, GchainError | NodeError)
    cause = str(error) if explained else f"{type(error).__name__}: {error}"
    remedy = getattr(error, "remedy", None)
    if not explained:
        log.write("".join(traceback.format_exception(error)))
    parts = [f"stage '{stage.name}' failed: {cause}"]
    tail = _log_tail(log.path)
    if tail:
        parts.append(f"  last lines of its log:\n{tail}")
    parts.append(f"  whole log: {log.path}")
    advice = f"{remedy}; then " if remedy else ""
    failed = StageFailedError("\n".join(parts), remedy=f"{advice}resume with: {resume}")
    failed.exit_code = getattr(error, "exit_code", 1)
    return failed


class _Display:
    """One line a stage: a spinner on a terminal, a plain line elsewhere."""

    def __init__(self, total: int) -> None:
        self._console = Console(highlight=False)
        self._total = total
        self._status: Status | None = None
        self._prefix = ""

    def begin(self, number: int, name: str) -> None:
        self._prefix = f"[{number:2d}/{self._total}] {name}"
        if self._console.is_terminal:
            self._status = self._console.status(self._prefix)
            self._status.start()
        else:
            print(f"{self._prefix} ...", flush=True)

    def detail(self, text: str) -> None:
        if self._status:
            self._status.update(f"{self._prefix}  [dim]{text}[/dim]")

    def end(self, mark: str, seconds: float, said: str | None) -> None:
        if self._status:
            self._status.stop()
            self._status = None
        tail = f"  {said}" if said else ""
        self._console.print(f"{self._prefix:<32} {mark} {seconds:6.1f} s{tail}", markup=False, soft_wrap=True)
        sys.stdout.flush()


def _record(workspace: Workspace, timings: dict[str, float]) -> None:
    workspace.run.mkdir(parents=True, exist_ok=True)
    (workspace.run / "stages.json").write_text(json.dumps({k: round(v, 2) for k, v in timings.items()}, indent=2))


def run_stages(workspace: Workspace, stages: list[Stage], *, resume: str) -> dict[str, float]:
    """Run the stages in order and return the seconds that each took.

    Args:
        workspace: logs go to its `log/`, timings to `run/stages.json`.
        resume: the command that a reader types to go on after a failure.

    Raises:
        StageFailedError: a stage raised; later stages did not run.
    """
    workspace.log.mkdir(parents=True, exist_ok=True)
    display = _Display(len(stages))
    timings: dict[str, float] = {}
    for number, stage in enumerate(stages, 1):
        log = StageLog(workspace.log / f"{number:02d}-{stage.slug}.log", display.detail)
        log.path.unlink(missing_ok=True)
        display.begin(number, stage.name)
        started = time.monotonic()
        try:
            said = stage.work(log)
        except KeyboardInterrupt:
            display.end("cut off", time.monotonic() - started, None)
            print(f"interrupted; resume with: {resume}", flush=True)
            raise
        except Exception as error:
            display.end("FAILED", time.monotonic() - started, None)
            raise _failure(stage, log, error, resume) from error
        timings[stage.name] = time.monotonic() - started
        display.end("ok", timings[stage.name], said)
        _record(workspace, timings)
    return timings
