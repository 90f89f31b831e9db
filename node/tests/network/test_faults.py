"""Faults on real processes: killed at chance moments, cut apart, left behind, with a full disk or a wrong clock."""

from __future__ import annotations

import errno
import itertools
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from gchain_node.client import Client
from node.tests.network.load import under_load
from node.tests.network.process import wait_until

pytestmark = pytest.mark.slow
Ledgers, Ledger, Validator = Any, Any, Any  # of node/tests/network, through the fixture
VICTIMS = ("node", "engine", "both")


def kill(validator: Validator, what: str) -> None:
    for name in ("engine", "node") if what == "both" else (what,):
        getattr(validator, name).kill()


def kill_at_chance_moments(ledger: Ledger, rounds: int, seed: int) -> None:
    """Each round ends one or two validators' processes in mid-work, starts them, and waits until they follow again."""
    chance = random.Random(seed)  # noqa: S311 -- not for secrets
    pause = threading.Event()
    for _ in range(rounds):
        victims = chance.sample(ledger.validators, chance.choice((1, 1, 2)))
        pause.wait(chance.random())  # the moment of the kill is what is varied
        for victim in victims:
            kill(victim, chance.choice(VICTIMS))
        for victim in victims:
            victim.stop()  # the units stop together, too
            victim.start()
        goal = max(validator.height() for validator in ledger.validators) + 1
        for validator in ledger.validators:
            wait_until(f"height {goal} at {validator.member.name}", lambda v=validator, g=goal: v.has_reached(g), 120)


def kills_lose_nothing(ledgers: Ledgers, rounds: int, seed: int) -> None:
    ledger = ledgers.start(4)
    ledger.go_live()
    with under_load(ledger) as load:
        kill_at_chance_moments(ledger, rounds, seed)
    load.assert_kept()
    ledger.agree(min(validator.engine_height() for validator in ledger.validators) - 1)


def test_nodes_and_engines_killed_under_load_agree_and_lose_nothing(ledgers: Ledgers) -> None:
    kills_lose_nothing(ledgers, rounds=6, seed=20)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_nodes_and_engines_killed_200_times_under_load_agree_and_lose_nothing(ledgers: Ledgers) -> None:
    rounds, seed = (int(os.environ.get(f"GCHAIN_SOAK_{name}", usual)) for name, usual in (("ROUNDS", 200), ("SEED", 1)))
    kills_lose_nothing(ledgers, rounds=rounds, seed=seed)


def test_halves_that_are_cut_apart_stand_still_and_go_on_together(ledgers: Ledgers) -> None:
    ledger = ledgers.start(4, stalled_after=4.0)
    ledger.go_live()
    before = ledger.commit_record(ledger.validators[0], "before")
    ledger.links.cut(itertools.product((0, 1), (2, 3)))
    stalled = "The ledger stands still: no block for"
    for validator in ledger.validators:
        wait_until(
            f"{validator.member.name} to say that the ledger stands still",
            lambda v=validator: any(reason.startswith(stalled) for reason in v.get("/readyz")["not_ready"]),
        )
    heights = [validator.height() for validator in ledger.validators]
    assert max(heights) - min(heights) <= 1
    with ledger.validators[0].client() as client, ledger.validators[3].client() as other:
        waiting = [_broadcast(client, ledger.validators[0], "left"), _broadcast(other, ledger.validators[3], "right")]
    assert [validator.height() for validator in ledger.validators] == heights, "a half made a block"
    ledger.links.heal()
    for validator in ledger.validators:
        for name in ("before", *waiting):
            path = f"/v1/query/records/{name}"
            wait_until(f"{name} at {validator.member.name}", lambda v=validator, p=path: v.get(p)["result"] == "OK")
    for validator in ledger.validators:
        wait_until(f"{validator.member.name} to be ready", lambda v=validator: v.get("/readyz")["ready"])
    ledger.agree(max(before.height, min(v.engine_height() for v in ledger.validators) - 1))


def _broadcast(client: Client, validator: Validator, name: str) -> str:
    """Give a transaction to one validator's engine without waiting for a block."""
    member = validator.member
    args = {"id": name, "commitment": bytes(32)}
    raw = client.build("records", "commit", args, key=member.keys["member"], signer=member.name)
    answer = validator.ask(f"broadcast_tx_sync?tx=0x{raw.hex()}")
    assert answer["code"] == 0, answer
    return name


# Every fourth round waits for the proposal of the one that is away: half a second, not three.
FAST = {"consensus": {"timeout_commit": "10ms", "timeout_propose": "500ms"}}


def left_behind_and_caught_up(ledgers: Ledgers, blocks: int) -> None:
    ledger = ledgers.start(4, more=FAST)
    ledger.go_live()
    late, first = ledger.validators[3], ledger.validators[0]
    late.stop()
    goal = first.height() + blocks
    with under_load(ledger, threads=1) as load:
        wait_until(f"{blocks} blocks without the fourth", lambda: first.has_reached(goal), 60 + blocks)
    late.start()
    wait_until("the fourth to catch up", lambda: late.has_reached(goal), 60 + blocks)
    load.assert_kept()
    ledger.agree(goal)
    wait_until("the fourth to be ready", lambda: late.get("/readyz")["ready"])


def test_a_validator_that_was_away_for_50_blocks_catches_up(ledgers: Ledgers) -> None:
    left_behind_and_caught_up(ledgers, 50)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_validator_that_was_away_for_1000_blocks_catches_up(ledgers: Ledgers) -> None:
    left_behind_and_caught_up(ledgers, 1000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small disk needs the right to mount: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> Path:
    """A file that takes all the space there is, to the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 1):
            while _fits(file, bytes(size)):
                pass
    return ballast


def _fits(file: IO[bytes], data: bytes) -> bool:
    try:
        file.write(data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False
    return True


def test_a_full_disk_stops_one_node_which_says_so_and_goes_on_once_there_is_space(
    ledgers: Ledgers, small_disk: Path
) -> None:
    ledger = ledgers.make(4)
    victim, witness = ledger.validators[3], ledger.validators[0]
    (victim.home / "node").rmdir()
    (victim.home / "node").symlink_to(small_disk, target_is_directory=True)
    ledger.start()
    ledger.go_live()
    ballast = fill(small_disk)
    numbers = itertools.count()
    wait_until(
        "the node to end for want of space",
        lambda: ledger.commit_record(witness, f"full-{next(numbers)}") and victim.node.running.poll() is not None,
    )
    assert victim.node.running.wait() == 6
    assert "the disk is full; the height was not written" in (victim.home / "node.log").read_text()
    assert ledger.commit_record(witness, "without-it").committed
    ballast.unlink()
    victim.stop()
    victim.start()
    outcome = ledger.commit_record(witness, "with-it-again")
    wait_until("the node to catch up", lambda: victim.has_reached(outcome.height + 1))
    assert victim.get("/v1/query/records/without-it")["result"] == "OK"
    ledger.agree(outcome.height)


def test_a_node_whose_clock_jumps_agrees_with_the_others(ledgers: Ledgers) -> None:
    """The node's process alone: an engine's clock is the machine's (Go asks the kernel itself)."""
    ledger = ledgers.make(4)
    jumping = ledger.validators[3]
    jumping.run_node_with(
        "import itertools, time\n"
        "true, jumps = time.time, itertools.cycle((0, 3.2e8, -3.2e8, 86400, -1))\n"
        "time.time = lambda: true() + next(jumps)\n"
        "time.time_ns = lambda: int(time.time() * 1e9)\n"
    )
    ledger.start()
    ledger.go_live()
    outcome = ledger.commit_record(ledger.validators[0], "whatever-the-time")
    wait_until("the node with the jumping clock", lambda: jumping.has_reached(outcome.height + 1))
    assert jumping.get("/v1/query/records/whatever-the-time")["result"] == "OK"
    ledger.agree(outcome.height)
