"""A signer process that is killed (SIGKILL) within any of its writes, on a real disk, and starts again on what is left.

Each round is a process of its own: a fork that opens the journal, answers requests, and at a chosen file operation does
half of it and dies. What it had asked its key for, it had written to a file before, as an HSM would remember.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from gchain_node._proto import types_pb2 as types
from gchain_node.errors import SigningRefused
from gchain_node.signer.journal import Identity, Journal
from gchain_node.signer.signer import Signer
from gchain_node.signer.storage import DirectoryStorage


class _DyingStorage(DirectoryStorage):
    """Kills its process at its `last`-th operation; of a write, half is done. Each operation's name is noted first."""

    def __init__(self, directory: Path, last: int, notes: int) -> None:
        super().__init__(directory)
        self._left, self._notes = last, notes

    def _dies(self, operation: str) -> bool:
        self._left -= 1
        if self._left == 0:
            os.write(self._notes, f"{operation}\n".encode())
        return self._left == 0

    def append(self, name: str, data: bytes) -> None:
        if self._dies(f"append {name}"):
            super().append(name, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().append(name, data)

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        if self._dies(f"overwrite {name}"):
            super().overwrite(name, offset, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().overwrite(name, offset, data)

    def truncate(self, name: str, size: int) -> None:
        self._or_die(f"truncate {name}")
        super().truncate(name, size)

    def sync(self, name: str) -> None:
        self._or_die(f"sync {name}")
        super().sync(name)

    def rename(self, old: str, new: str) -> None:
        self._or_die(f"rename {old} {new}")
        super().rename(old, new)

    def remove(self, name: str) -> None:
        self._or_die(f"remove {name}")
        super().remove(name)

    def sync_directory(self) -> None:
        self._or_die("sync_directory")
        super().sync_directory()

    def _or_die(self, operation: str) -> None:
        if self._dies(operation):
            os.kill(os.getpid(), signal.SIGKILL)


def _vote(height: int, kind: int, block: bytes, seconds: int) -> types.Vote:
    vote = types.Vote(type=kind, height=height)
    vote.block_id.hash = vote.block_id.part_set_header.hash = block
    vote.block_id.part_set_header.total = 1
    vote.timestamp.seconds = seconds
    return vote


def _signer_process(directory: Path, key: Any, height: int, choose: random.Random, asked: int, notes: int) -> None:
    """What the child does: votes at `height` and the next ones for a block of its own choice, until it dies."""
    key.before = lambda: None
    sign = key.sign

    def remember(message: bytes) -> bytes:
        os.write(asked, message.hex().encode() + b"\n")
        return bytes(sign(message))

    key.sign = remember
    storage = _DyingStorage(directory, choose.randint(1, 30), notes)
    journal = Journal.open(storage, "c", key.kid.hex())
    signer, block = Signer(key, journal), choose.choice([b"A", b"B"]) * 32
    for each in range(height, height + 4):
        if choose.random() < 0.3:
            journal._rewrite()
        for kind in (1, 2):
            try:
                signer.sign_vote(_vote(each, kind, block, choose.randint(1, 3)))
            except SigningRefused:
                continue


def _run_child(*arguments: Any) -> int:
    """The status with which it ended, as waitpid(2) gives it."""
    child = os.fork()
    if child == 0:
        try:
            _signer_process(*arguments)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def _contents(asked: Path) -> dict[tuple[int, int], set[bytes]]:
    found: dict[tuple[int, int], set[bytes]] = {}
    for line in asked.read_text().split():
        message = bytes.fromhex(line)
        if message[1] == 0x08:  # else a vote extension, which has no type in front
            vote = types.CanonicalVote.FromString(message[1:])
            found.setdefault((vote.height, vote.type), set()).add(message)
    return found


@pytest.mark.parametrize("rounds", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_process_that_is_killed_within_any_write_never_leads_to_two_signatures(
    tmp_path: Path, recording_key: Any, rounds: int
) -> None:
    directory, asked, notes = tmp_path / "journal", tmp_path / "asked", tmp_path / "notes"
    storage = DirectoryStorage(directory)
    Journal.create(storage, Identity("c", recording_key.kid.hex(), 1))
    storage.close()
    handles = [os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND) for path in (asked, notes)]
    killed = 0
    for seed in range(rounds):
        choose = random.Random(seed)  # noqa: S311 -- repeatable, not secret
        status = _run_child(directory, recording_key, 1 + seed // 2, choose, *handles)
        assert status in (0, signal.SIGKILL), f"seed {seed}: the signer did not start or failed: {status}"
        killed += status == signal.SIGKILL
    for handle in handles:
        os.close(handle)
    contents = _contents(asked)
    assert {position for position, found in contents.items() if len(found) > 1} == set()
    assert len(contents) > rounds // 2
    assert killed > rounds // 2
    assert set(notes.read_text().splitlines()) >= {
        "append journal",
        "append journal.new",
        "sync journal",
        "sync journal.new",
        "overwrite mark",
        "rename journal.new journal",
        "remove journal.new",
        "sync_directory",
        "truncate journal",
    }
