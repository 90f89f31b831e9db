"""Build the pinned programs from Go modules, once, into the cache.

Each program has a Go module of its own under `tools/`, whose `go.sum` pins every source by hash. A program is built
beside its final place and renamed, so a build cut off by Ctrl-C leaves nothing half made.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gchain.errors import ToolchainError
from gchain.toolchain.go import find_go
from gchain.workspace import REPOSITORY, cache_directory

__all__ = ["NEXT", "PROGRAMS", "Program", "install", "missing", "program_path"]

_SDK = "github.com/pulumi/pulumi/sdk/v3"


@dataclass(frozen=True)
class Program:
    """A program to build: `package` of the Go module in `tools/<module>`; `version_command` prints `version`."""

    name: str
    module: str
    package: str
    version: str
    version_command: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


PROGRAMS = (
    Program(
        "pulumi",
        "pulumi",
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        "3.259.0",
        ("version",),
        ("-tags", "osusergo,grpcnotrace", "-ldflags", f"-s -w -X {_SDK}/go/common/version.Version=v3.259.0"),
    ),
    Program("pulumi-language-python", "pulumi-language-python", f"{_SDK}/python/cmd/pulumi-language-python", "3.79.0"),
    Program(
        "cometbft",
        "cometbft",
        "github.com/cometbft/cometbft/cmd/cometbft",
        "0.38.25",
        ("version",),
        ("-ldflags", "-s -w"),
        {"CGO_ENABLED": "0"},
    ),
)

NEXT = Program(
    "cometbft-next",
    "cometbft-next",
    "github.com/cometbft/cometbft/cmd/cometbft",
    "0.40.0",
    (),  # it says 0.39.0 of itself: that release did not change the constant
    ("-ldflags", "-s -w"),
    {"CGO_ENABLED": "0"},
)
"""The engine's next release line, which tests run against (`make test-next`) and nothing else uses."""

_LANGUAGE_EXEC = "pulumi-language-python-exec"


def program_path(name: str) -> Path:
    """Where the program lies once installed.

    Raises:
        ToolchainError: it is not installed.
    """
    path = cache_directory() / "bin" / name
    if not path.is_file():
        raise ToolchainError(f"{path} is missing", remedy="run `gchain toolchain install`")
    return path


def _is_current(program: Program, path: Path) -> bool:
    if not path.is_file():
        return False
    if not program.version_command:
        return True
    home = str(
        cache_directory() / "pulumi-home"
    )  # the engine logs even its version call, by default in the user's home
    command = [str(path), *program.version_command]
    environment = {**os.environ, "PULUMI_HOME": home}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    return done.stdout.strip().lstrip("v") == program.version


def missing(programs: Sequence[Program] = PROGRAMS) -> list[Program]:
    """Which of these are not in the cache at their pinned version."""
    return [p for p in programs if not _is_current(p, cache_directory() / "bin" / p.name)]


@contextmanager
def _one_at_a_time(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run_go(arguments: list[str], module: str, environment: dict[str, str], log: Path) -> None:
    with log.open("a") as out:
        out.write(f"$ go {' '.join(arguments)}\n")
        out.flush()
        done = subprocess.run(
            [find_go(), *arguments],
            cwd=REPOSITORY / "tools" / module,
            env={**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local", **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        tail = "\n".join(log.read_text().splitlines()[-12:])
        raise ToolchainError(f"go {arguments[0]} failed in tools/{module}:\n{tail}", remedy=f"the whole log is {log}")


def _build(program: Program, target: Path, log: Path) -> None:
    fresh = target.with_name(f".{target.name}.new")
    build = ["build", "-mod=mod", *program.flags, "-o", str(fresh), program.package]
    _run_go(build, program.module, program.environment, log)
    if not _is_current(program, fresh):
        raise ToolchainError(f"{program.name}: the build is not version {program.version}", remedy=f"see {log}")
    fresh.rename(target)


def _install_language_exec(target: Path, log: Path) -> None:
    version = PROGRAMS[0].version
    _run_go(["mod", "download", f"{_SDK}@v{version}"], "pulumi", {}, log)
    found = subprocess.run([find_go(), "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
    source = Path(found) / f"{_SDK}@v{version}" / "python" / "cmd" / _LANGUAGE_EXEC
    shutil.copyfile(source, target)
    target.chmod(0o755)


def install(
    log: Path, progress: Callable[[str], None] = lambda _: None, programs: Sequence[Program] = PROGRAMS
) -> list[str]:
    """Build what is missing and return the names of what was built; `progress` is told each name before its build.

    Raises:
        ToolchainError: no Go toolchain, or a build failed; the message holds the last lines of `log`.
    """
    directory = cache_directory() / "bin"
    built = []
    with _one_at_a_time(directory):
        for program in missing(programs):
            progress(f"building {program.name} {program.version}")
            _build(program, directory / program.name, log)
            built.append(program.name)
        if not (directory / _LANGUAGE_EXEC).is_file():
            progress(f"fetching {_LANGUAGE_EXEC}")
            _install_language_exec(directory / _LANGUAGE_EXEC, log)
            built.append(_LANGUAGE_EXEC)
    return built
