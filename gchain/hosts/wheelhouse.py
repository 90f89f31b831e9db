"""The wheelhouse: everything that hosts install, in one directory that is named after what it holds.

`$GCHAIN_CACHE/wheelhouse/<digest>/` has the wheels of the node (its state path compiled) and of the rules, those of
`requirements/hosts.txt`, `requirements.txt` with a hash for each, the engine's binary and `SHA256SUMS`. `<digest>` is
the SHA-256 of `SHA256SUMS`: a host that was told the digest takes nothing else from the mirror. The directory is made
beside its place and renamed, so half of one never has a name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gchain.errors import ToolchainError
from gchain.toolchain.install import program_path
from gchain.workspace import REPOSITORY, Workspace, cache_directory

__all__ = ["Wheelhouse", "build", "current", "installed_node", "pin", "pinned"]

Progress = Callable[[str], None]

_SUMS = "SHA256SUMS"
_REQUIREMENTS = REPOSITORY / "requirements" / "hosts.txt"
_POLICIES = REPOSITORY / "policies"
_PYTHON = "3.11"
_PLATFORMS = ("manylinux_2_34_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""What Debian 12 (glibc 2.36) can load."""


@dataclass(frozen=True)
class Wheelhouse:
    """A finished wheelhouse. `digest` is bare hex, as it stands in the directory's name and on the mirror."""

    directory: Path

    @property
    def digest(self) -> str:
        return self.directory.name

    @property
    def sums(self) -> dict[str, str]:
        """SHA-256 by file name."""
        lines = (self.directory / _SUMS).read_text().splitlines()
        return {name: value for value, _, name in (line.partition("  ") for line in lines)}

    @property
    def cometbft_sha256(self) -> str:
        return self.sums["cometbft"]


def build(progress: Progress = lambda _: None) -> Wheelhouse:
    """The wheelhouse of this checkout; made if what it is made from has changed since it was last.

    Raises:
        ToolchainError: the wheel does not build, a requirement cannot be fetched, or the engine is not installed.
    """
    root = cache_directory() / "wheelhouse"
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        known = _known(root)
        if known is not None:
            return known
        draft = root / ".building"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        _fill(draft, root, progress)
        digest = _sum_up(draft)
        finished = root / digest
        if finished.exists():
            shutil.rmtree(draft)
        else:
            draft.rename(finished)
        _pointer(root).write_text(digest)
        progress(f"wheelhouse {digest[:16]}: {len(list(finished.iterdir()))} files")
        return Wheelhouse(finished)


def current() -> Wheelhouse:
    """The wheelhouse that this checkout's sources were last built into.

    Raises:
        ToolchainError: there is none, or the sources have changed since.
    """
    known = _known(cache_directory() / "wheelhouse")
    if known is None:
        raise ToolchainError(
            f"there is no wheelhouse of this checkout under {cache_directory() / 'wheelhouse'}",
            remedy="build it: gchain host wheelhouse",
        )
    return known


def pin(workspace: Workspace, wheelhouse: Wheelhouse) -> None:
    """Make this the wheelhouse of the workspace's hosts, until another is pinned: sources may change, hosts do not."""
    _pin_file(workspace).write_text(wheelhouse.digest + "\n")


def pinned(workspace: Workspace) -> Wheelhouse:
    """The wheelhouse that the workspace's hosts install from: the pinned one, else that of this checkout.

    Raises:
        ToolchainError: the pinned one is gone from the cache, or there is none of this checkout.
    """
    path = _pin_file(workspace)
    if not path.is_file():
        return current()
    found = Wheelhouse(cache_directory() / "wheelhouse" / path.read_text().strip())
    if not (found.directory / _SUMS).is_file():
        raise ToolchainError(
            f"{found.directory}, which {path} names, is gone", remedy="build one: gchain host wheelhouse"
        )
    return found


def installed_node(wheelhouse: Wheelhouse) -> Path:
    """The node's package as hosts install it, unpacked in `$GCHAIN_CACHE/node/<digest>/`: first on PYTHONPATH, it is
    the one that runs here, with the state path compiled.
    """
    place = cache_directory() / "node" / wheelhouse.digest
    with _locked(wheelhouse.directory.parent):
        if not place.is_dir():
            draft = place.with_name(".unpacking")
            shutil.rmtree(draft, ignore_errors=True)
            (wheel,) = wheelhouse.directory.glob("gchain_node-*.whl")
            shutil.unpack_archive(wheel, draft, "zip")
            draft.rename(place)
    return place


def _pin_file(workspace: Workspace) -> Path:
    return workspace.root / "wheelhouse-digest"


def _known(root: Path) -> Wheelhouse | None:
    pointer = _pointer(root)
    if not pointer.is_file():
        return None
    directory = root / pointer.read_text().strip()
    return Wheelhouse(directory) if (directory / _SUMS).is_file() else None


def _pointer(root: Path) -> Path:
    """Remembers which wheelhouse the present sources gave: a wheel's bytes cannot be known before it is built."""
    return root / f".from-{_sources_digest()}"


def _sources_digest() -> str:
    """What it is made from: the sources of node and rules, their locked requirements, the engine's binary."""
    node = REPOSITORY / "node"
    files = [path for path in node.rglob("*") if path.is_file() and _is_source(path.relative_to(node))]
    digest = hashlib.sha256(_PYTHON.encode())
    files += [path for path in _POLICIES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in [*sorted(files), _REQUIREMENTS, program_path("cometbft")]:
        digest.update(f"{path.name}\0{path.stat().st_mode & 0o111}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:32]


def _is_source(path: Path) -> bool:
    generated = any(part in ("build", "dist", "__pycache__") or part.endswith(".egg-info") for part in path.parts)
    return not generated and path.parts[0] in ("gchain_node", "pyproject.toml", "setup.py")


def _fill(draft: Path, root: Path, progress: Progress) -> None:
    progress("wheelhouse: compiling the node's state path, which takes about a minute")
    with _copied(draft, REPOSITORY / "node", ".") as source:
        _build_wheel(draft, source)
    progress("wheelhouse: building the wheel of the rules")
    with _copied(draft, _POLICIES, "policies") as source:
        (source / "policies" / "pyproject.toml").rename(source / "pyproject.toml")
        _build_wheel(draft, source)
    progress("wheelhouse: fetching what they depend on")
    _download(draft, root / ".pip-cache")
    shutil.copyfile(program_path("cometbft"), draft / "cometbft")
    _write_requirements(draft)


@contextmanager
def _copied(draft: Path, package: Path, place: str) -> Iterator[Path]:
    """A copy to build from, so that the checkout is not written to and concurrent builds do not meet."""
    scratch = draft / ".source"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", "tests")
    shutil.copytree(package, scratch / place, ignore=ignore)
    yield scratch
    shutil.rmtree(scratch)


def _build_wheel(draft: Path, source: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(draft), str(source)]
    _run(command, {"SOURCE_DATE_EPOCH": "1767225600", "GCHAIN_NODE_COMPILED": "1"})


def _download(draft: Path, pip_cache: Path) -> None:
    platforms = [word for name in _PLATFORMS for word in ("--platform", name)]
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"),
        *("--only-binary", ":all:", "--python-version", _PYTHON, *platforms, "--require-hashes"),
        *("--requirement", str(_REQUIREMENTS), "--dest", str(draft)),
        *("--cache-dir", str(pip_cache)),
    ]
    _run(command, {})


def _run(command: list[str], extra: dict[str, str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | extra)
    if done.returncode != 0:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise ToolchainError(
            f"{' '.join(command[1:4])} ended with status {done.returncode}:\n{tail}",
            remedy="check the network or the index that pip uses and, where the node's own wheel fails, the compiler "
            "(gcc and Python.h: tools/setup installs both), then run again",
        )


def _write_requirements(draft: Path) -> None:
    """One line a wheel with its hash. Only wheels that are here are named: nothing can be taken from elsewhere."""
    lines = [_requirement(wheel) for wheel in sorted(draft.glob("*.whl"))]
    (draft / "requirements.txt").write_text("".join(lines))


def _requirement(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version} --hash=sha256:{_sha256(wheel)}\n"


def _sum_up(draft: Path) -> str:
    files = sorted(path for path in draft.iterdir() if path.is_file())
    text = "".join(f"{_sha256(path)}  {path.name}\n" for path in files)
    (draft / _SUMS).write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
