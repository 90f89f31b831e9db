"""The signer of a member's consensus key on the ledger: an officer names it, and its epochs count up by one."""

from __future__ import annotations

from typing import Any

import pytest

from gchain_node.codes import Code

Ledger = Any  # of conftest.py, which pytest does not let tests import


def register(ledger: Ledger, epoch: int, name: str = "host-b", signer: str = "treasury/officer") -> Any:
    return ledger.call(signer, "membership/register_signer", {"id": name, "epoch": epoch})


def test_a_registration_names_the_signer_and_the_block_that_says_so(live: Ledger) -> None:
    assert "signer" not in live.read("members/treasury")
    assert register(live, 1).ok
    assert live.read("members/treasury")["signer"] == {"id": "host-b", "epoch": 1, "height": live.height}
    assert register(live, 2, "host-a").ok
    assert live.read("members/treasury")["signer"] == {"id": "host-a", "epoch": 2, "height": live.height}
    assert "signer" not in live.read("members/justice")


def test_of_two_take_overs_at_once_the_second_is_refused(live: Ledger) -> None:
    assert register(live, 1, "host-b").ok
    refused = register(live, 1, "host-c")
    assert refused.code == Code.CONFLICT
    assert "epoch is 1, 2 expected" in refused.log
    assert live.read("members/treasury")["signer"]["id"] == "host-b"


@pytest.mark.parametrize("epoch", [0, 2, -1, 2**62])
def test_an_epoch_is_neither_repeated_nor_left_out(live: Ledger, epoch: int) -> None:
    assert register(live, epoch).code == Code.CONFLICT
    assert register(live, 1).ok


def test_a_host_cannot_name_itself(live: Ledger) -> None:
    assert register(live, 1, signer="treasury").code == Code.NOT_AUTHORISED
    assert register(live, 1).ok


@pytest.mark.parametrize("args", [{"id": "A b", "epoch": 1}, {"id": "b"}, {"id": "b", "epoch": 1, "member": "justice"}])
def test_arguments_are_checked(live: Ledger, args: dict[str, Any]) -> None:
    assert live.call("treasury/officer", "membership/register_signer", args).code == Code.BAD_ARGUMENTS
