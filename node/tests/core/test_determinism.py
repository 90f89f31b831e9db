"""Same blocks, same answers: in other processes, under other hash seeds, with and without a mempool before."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gchain_node.codes import Code
from gchain_node.messages import Block, Misbehavior
from gchain_node.proof.rpc_json import parse_time
from node.tests.examples import examples

Ledger = Any  # of conftest.py, which pytest does not let tests import
SCRIPT = Path(__file__).parent / "replaying.py"
MEMBERS = ("finance", "interior", "justice", "treasury")
# Reasons of order: what stood before the transaction in the block, or in blocks before it.
OF_ORDER = {
    Code.UNKNOWN_KEY, Code.MEMBER_SUSPENDED, Code.EXPIRED, Code.NONCE_USED, Code.NONCE_TOO_OLD, Code.OUT_OF_ORDER,
    Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.CONFLICT, Code.NOT_AUTHORISED, Code.REFUSED_BY_RULES, Code.ALREADY_LIVE,
    Code.WRONG_MEMBERSHIP_DIGEST, Code.APPROVAL_EXPIRED,
}  # fmt: skip


def record(name: str, version: int | None = None) -> dict[str, Any]:
    args: dict[str, Any] = {"id": name, "commitment": hashlib.sha256(name.encode()).digest()}
    return args if version is None else args | {"version": version}


def transaction(ledger: Ledger, kind: int, who: int, what: int) -> bytes:
    """One of the transactions that members send, some good and some not, by three small numbers."""
    member, other = MEMBERS[who % 4], MEMBERS[what % 4]
    officer = f"{member}/officer"
    match kind % 6:
        case 0:
            return bytes(ledger.tx(member, "records/commit", record(f"r{what % 8}")))
        case 1:
            return bytes(ledger.tx(member, "records/supersede", record(f"r{what % 8}")))
        case 2:
            proposal = {"id": f"p{what % 5}", "kind": "member.suspend", "args": {"member": other}}
            return bytes(ledger.tx(officer, "governance/propose", proposal))
        case 3:
            proposal = {"id": f"p{what % 5}", "kind": "member.reinstate", "args": {"member": other}}
            return bytes(ledger.tx(officer, "governance/propose", proposal))
        case 4:
            return bytes(ledger.tx(officer, "governance/vote", {"proposal": f"p{what % 5}", "ballot": "yes"}))
        case _:
            return bytes(ledger.tx(member, "records/commit", record(f"r{what % 8}"), nonce=1 + what % 4))


def _history(ledger: Ledger, blocks: int, seed: int) -> list[dict[str, Any]]:
    """Blocks of such transactions, as `replaying.py` reads them; applied to `ledger` on the way."""
    chance, history = random.Random(seed), []  # noqa: S311 -- not for secrets
    names = [field.name for field in fields(Misbehavior)]
    time_ns = parse_time(ledger.genesis["genesis_time"])
    waiting = [ledger.tx("treasury/officer", "governance/go_live", ledger.go_live_args())]
    for height in range(1, blocks + 1):
        waiting += [transaction(ledger, *(chance.randrange(60) for _ in range(3))) for _ in range(12)]
        found = Misbehavior("duplicate_vote", bytes([height]) * 20, 10, height, time_ns, 40)
        reports = (found,) if height % 3 == 0 else ()
        ledger.app.finalize_block(Block(height, time_ns + height, tuple(waiting), misbehavior=reports))
        ledger.app.commit()
        rows = [{name: getattr(r, name) for name in names} | {"address": r.address.hex()} for r in reports]
        txs = [raw.hex() for raw in waiting]
        history.append({"height": height, "time_ns": time_ns + height, "txs": txs, "misbehavior": rows})
        waiting = []
    return history


def _replayed(path: Path, *options: str, **environment: str) -> str:
    """What another process answers to the blocks in `path`."""
    command = [sys.executable, str(SCRIPT), str(path), *options]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_processes_with_other_hash_seeds_answer_the_same_blocks_alike(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "blocks.json"
    path.write_text(json.dumps({"genesis": ledger.genesis, "blocks": _history(ledger, 8, seed=1)}))
    answers = {
        _replayed(path, *options, PYTHONHASHSEED=seed, TZ="Asia/Kathmandu" if options else "UTC")
        for seed, options in (("0", []), ("1", ["--check"]), ("4242", []), ("random", ["--check"]))
    }
    assert len(answers) == 1
    last = answers.pop().splitlines()[-1].split()
    assert last[:2] == ["8", ledger.app.info().last_block_app_hash.hex()]


@pytest.mark.slow
@pytest.mark.source
def test_the_compiled_state_path_answers_as_its_sources_do(ledger: Ledger, tmp_path: Path, compiled_node: Path) -> None:
    path = tmp_path / "blocks.json"
    path.write_text(json.dumps({"genesis": ledger.genesis, "blocks": _history(ledger, 60, seed=2)}))
    source, compiled = _replayed(path), _replayed(path, "--check", PYTHONPATH=str(compiled_node))
    assert source == compiled
    assert ledger.app.info().last_block_app_hash.hex() in compiled


STEPS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 7)), min_size=1, max_size=14)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(60))
@given(steps=STEPS, order=st.randoms(use_true_random=False))
def test_what_the_mempool_accepts_fails_in_a_block_only_for_reasons_of_order(
    make_ledger: Callable[[], Ledger], steps: list[tuple[int, int, int]], order: random.Random
) -> None:
    ledger = make_ledger()
    ledger.start()
    ledger.go_live()
    checked = [(raw, ledger.app.check_tx(raw)) for raw in (transaction(ledger, *step) for step in steps)]
    accepted = [raw for raw, result in checked if result.ok]
    assert ledger.app.prepare_proposal(accepted, 1 << 20, ledger.height + 1, 0) == accepted
    same = ledger.finalize(*accepted)
    assert [result.code for result in same.tx_results] == [Code.OK] * len(accepted), "in the mempool's own order"
    shuffled = list(accepted)
    order.shuffle(shuffled)
    for result in ledger.finalize(*shuffled).tx_results:
        assert result.ok or result.code in OF_ORDER, result.log
    assert ledger.finalize(*accepted) == same, "finalizing again, after another block was tried"


def test_a_block_that_was_computed_and_given_up_leaves_no_trace(make_ledger: Callable[[], Ledger]) -> None:
    one, two = make_ledger(), make_ledger()
    for ledger in (one, two):
        ledger.start()
    open_it = one.tx("treasury/officer", "governance/go_live", one.go_live_args())
    raw = one.tx("treasury", "records/commit", record("kept"))
    one.finalize(open_it, raw, one.tx("finance", "records/commit", record("given-up")))
    assert one.finalize(open_it, raw) == two.finalize(open_it, raw)


@pytest.mark.parametrize("name", ["query", "check_tx"])
def test_reads_change_nothing(live: Ledger, name: str) -> None:
    before = live.app.info().last_block_app_hash
    raw = live.tx("treasury", "records/commit", record("read"))
    for _ in range(3):
        getattr(live.app, name)(raw if name == "check_tx" else "members")
    assert live.finalize().app_hash == before
