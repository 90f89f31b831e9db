"""The continuous gate: each host judges itself, and the ledger tells who passes, who fails and who fell silent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gchain_node.codes import Code

from .consortium import Consortium, wait_until

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

MEMBER = "registry"
_CONFIG = "/var/lib/gchain/engine/config/config.toml"
_GATE = "/etc/gchain/gate.json"


def _standing(live: Consortium, member: str, of: str) -> str:
    """What `member`'s node says of the member `of`."""
    return str(live.status(member)["compliance"][of]["verdict"])


def _judge(live: Consortium, member: str) -> None:
    with live.host(member).sudo():
        live.host(member).run_expect([0], "systemctl start gchain-gate.service")


@contextmanager
def _edited(live: Consortium, member: str, path: str, expression: str) -> Iterator[None]:
    """A file on the host changed by hand, and put back byte for byte."""
    host = live.host(member)
    with host.sudo():
        host.run_expect([0], f"cp -p {path} {path}.kept && sed -i '{expression}' {path} && ! cmp -s {path} {path}.kept")
    try:
        yield
    finally:
        with host.sudo():
            host.run_expect([0], f"mv {path}.kept {path}")


def test_every_host_has_judged_itself_and_every_node_tells_it(live: Consortium) -> None:
    for asked in live.names:
        wait_until(
            f"{asked} to tell of all",
            lambda asked=asked: all(_standing(live, asked, of) == "pass" for of in live.names),  # type: ignore[misc]
        )


def test_the_timer_is_what_judges_again(live: Consortium) -> None:
    assert live.host(MEMBER).service("gchain-gate.timer").is_running


def test_a_host_that_opens_peer_exchange_fails_and_passes_again_when_mended(live: Consortium) -> None:
    with _edited(live, MEMBER, _CONFIG, "s/^pex = false/pex = true/"):
        _judge(live, MEMBER)
        told = live.query("treasury", f"compliance/members/{MEMBER}")["hosts"]["validator-1"]
        assert (told["verdict"], told["failing"]) == ("fail", ["LED-002"])
        wait_until("another node to tell", lambda: _standing(live, "treasury", MEMBER) == "fail")
    _judge(live, MEMBER)
    wait_until("the mended host to pass", lambda: _standing(live, "treasury", MEMBER) == "pass")


def test_a_host_that_falls_silent_is_stale_and_not_fine(live: Consortium) -> None:
    with _edited(live, MEMBER, _GATE, r's/"blocks": [0-9]*/"blocks": 1/'):
        _judge(live, MEMBER)
    live.wait_for_blocks("treasury", 3)
    wait_until("the record to end", lambda: _standing(live, "treasury", MEMBER) == "stale")
    _judge(live, MEMBER)
    wait_until("the host to pass again", lambda: _standing(live, "treasury", MEMBER) == "pass")


def test_an_officer_cannot_record_a_verdict_under_another_members_name(live: Consortium) -> None:
    args = {"host": "validator-1", "verdict": "pass", "evidence": bytes(32), "failing": [], "blocks": 10}
    done = live.transact("customs", "compliance", "record", args)
    assert done.code == Code.OK  # it speaks for customs, whoever is meant
    assert live.query("customs", f"compliance/members/{MEMBER}")["hosts"]["validator-1"]["evidence"] != bytes(32)
    _judge(live, "customs")
