"""Proposals and ballots: members come and go, validators change, and the rules of voting hold."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec

from gchain_node.codes import Code
from gchain_node.development import DevelopmentConsortium, DevelopmentMember
from gchain_node.keys import encode_public_key
from gchain_node.keys.file_key import FileKey
from gchain_node.keys.possession import prove
from gchain_node.modules.governance import MAX_OPEN_PER_MEMBER

Ledger = Any  # of conftest.py, which pytest does not let tests import
ALL = ("finance", "interior", "justice", "treasury")


def propose(ledger: Ledger, kind: str, args: dict[str, Any], by: str = "treasury", **more: Any) -> Any:
    name = f"p{ledger.height}"
    result = ledger.call(f"{by}/officer", "governance/propose", {"id": name, "kind": kind, "args": args} | more)
    return name, result


def vote(ledger: Ledger, proposal: str, by: str, ballot: str = "yes") -> Any:
    return ledger.call(f"{by}/officer", "governance/vote", {"proposal": proposal, "ballot": ballot})


def decide(ledger: Ledger, kind: str, args: dict[str, Any]) -> Any:
    """Propose and vote until it is decided; the last result."""
    name, result = propose(ledger, kind, args)
    for member in ("finance", "justice"):
        assert result.ok, result.log
        result = vote(ledger, name, member)
    return result


@pytest.fixture(scope="session")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentMember:
    return DevelopmentConsortium.open(tmp_path_factory.mktemp("newcomer"), ["health"]).members[0]


def add(newcomer: DevelopmentMember) -> dict[str, Any]:
    return {"contribution": rfc8785.dumps(newcomer.contribution)}


def test_a_proposal_takes_effect_with_the_ballot_that_reaches_two_thirds(live: Ledger) -> None:
    name, result = propose(live, "member.suspend", {"member": "interior"})
    assert result.ok
    assert vote(live, name, "interior", "no").ok
    assert vote(live, name, "justice").ok
    assert live.read("members/interior")["status"] == "active"
    assert vote(live, name, "finance").ok
    assert live.read("members/interior")["status"] == "suspended"
    assert live.read(f"governance/proposals/{name}")["status"] == "accepted"
    assert live.read("governance/proposals") == {"open": [], "closed": 1}
    assert vote(live, name, "justice").code == Code.CONFLICT


def test_a_proposal_that_can_no_longer_pass_is_rejected(live: Ledger) -> None:
    name, _ = propose(live, "member.suspend", {"member": "interior"})
    vote(live, name, "interior", "no")
    vote(live, name, "finance", "no")
    assert live.read(f"governance/proposals/{name}")["status"] == "rejected"
    assert live.read("members/interior")["status"] == "active"


def test_a_member_votes_once_and_may_change_its_mind(live: Ledger) -> None:
    name, _ = propose(live, "member.suspend", {"member": "interior"})
    for _ in range(3):
        assert vote(live, name, "treasury").ok
    assert vote(live, name, "finance", "no").ok
    assert vote(live, name, "finance").ok
    assert live.read(f"governance/proposals/{name}")["ballots"] == {"finance": "yes", "treasury": "yes"}
    assert live.read("members/interior")["status"] == "active"


def test_only_officers_govern(live: Ledger) -> None:
    args = {"id": "p", "kind": "member.suspend", "args": {"member": "interior"}}
    assert live.call("treasury", "governance/propose", args).code == Code.NOT_AUTHORISED
    name, _ = propose(live, "member.suspend", {"member": "interior"})
    assert live.call("finance", "governance/vote", {"proposal": name, "ballot": "yes"}).code == Code.NOT_AUTHORISED


def test_a_proposal_closes_at_its_height_and_can_be_withdrawn(live: Ledger) -> None:
    name, _ = propose(live, "member.suspend", {"member": "interior"}, closes_height=live.height + 1)
    assert vote(live, name, "finance").code == Code.CONFLICT
    assert live.call("finance/officer", "governance/withdraw", {"proposal": name}).ok
    assert live.read(f"governance/proposals/{name}")["status"] == "expired"
    name, _ = propose(live, "member.suspend", {"member": "interior"})
    assert live.call("finance/officer", "governance/withdraw", {"proposal": name}).code == Code.NOT_AUTHORISED
    assert live.call("treasury/officer", "governance/withdraw", {"proposal": name}).ok
    assert vote(live, name, "finance").code == Code.CONFLICT


def test_an_agency_joins_as_observer_and_becomes_a_validator(live: Ledger, newcomer: DevelopmentMember) -> None:
    before = live.read("consortium")["membership_digest"]
    assert decide(live, "member.add", add(newcomer)).ok
    assert live.read("members/health")["power"] == 0
    assert live.read("consortium")["membership_digest"] != before
    live.members = live.members | {"health": newcomer}
    commit = {"id": "first-of-health", "commitment": bytes(32)}
    assert live.call("health", "records/commit", commit).ok
    name, _ = propose(live, "member.promote", {"member": "health"})
    for member in ("finance", "justice"):
        vote(live, name, member)
    raw = live.tx("interior/officer", "governance/vote", {"proposal": name, "ballot": "yes"})
    result = live.finalize(raw)
    assert [update.power for update in result.validator_updates] == [10]
    live.app.commit()
    assert live.read("members/health")["role"] == "validator"
    assert live.read("governance/validator-changes")["heights"] == [live.height + 1]
    members = live.members
    live.members = {name: members[name] for name in ALL}


def test_suspending_and_reinstating_moves_the_validators_power(live: Ledger) -> None:
    name, _ = propose(live, "member.suspend", {"member": "interior"})
    vote(live, name, "finance")
    result = live.finalize(live.tx("justice/officer", "governance/vote", {"proposal": name, "ballot": "yes"}))
    assert [update.power for update in result.validator_updates] == [0]
    live.app.commit()
    assert live.call("interior", "records/commit", {"id": "x", "commitment": bytes(32)}).code == Code.MEMBER_SUSPENDED
    name, _ = propose(live, "member.reinstate", {"member": "interior"})
    result = live.finalize(live.tx("finance/officer", "governance/vote", {"proposal": name, "ballot": "yes"}))
    assert [update.power for update in result.validator_updates] == [10], "two of three active members are enough"


def test_what_cannot_take_effect_is_refused_with_the_ballot_that_would_decide_it(
    live: Ledger, newcomer: DevelopmentMember
) -> None:
    for kind, args, code in (
        ("member.suspend", {"member": "nobody"}, Code.NOT_FOUND),
        ("member.reinstate", {"member": "interior"}, Code.CONFLICT),
        ("member.promote", {"member": "interior"}, Code.CONFLICT),
        ("member.add", {"contribution": b"{}"}, Code.BAD_ARGUMENTS),
        ("member.add", {"contribution": b"{ }"}, Code.BAD_ARGUMENTS),
        ("member.add", {"contribution": b"["}, Code.BAD_ARGUMENTS),
        ("member.add", {"contribution": rfc8785.dumps(live.members["finance"].contribution)}, Code.ALREADY_EXISTS),
        ("member.add", add(newcomer) | {"role": "validator"}, Code.BAD_ARGUMENTS),
        ("officer.remove", {"member": "finance", "name": "officer"}, Code.REFUSED_BY_RULES),
        ("officer.remove", {"member": "finance", "name": "nobody"}, Code.NOT_FOUND),
    ):
        before = live.app.info().last_block_app_hash
        result = decide(live, kind, args)
        assert result.code == code, (kind, result.log)
        assert live.app.info().last_block_app_hash != before, "the numbers of the ballots are used"
        for still_open in live.read("governance/proposals")["open"]:
            assert live.call("treasury/officer", "governance/withdraw", {"proposal": still_open}).ok


def test_the_last_validator_stays(live: Ledger) -> None:
    for name, voters in (("interior", ("finance", "justice")), ("justice", ("finance",)), ("finance", ("finance",))):
        proposal, result = propose(live, "member.suspend", {"member": name})
        for voter in voters:
            result = vote(live, proposal, voter)
        assert result.ok, result.log
    _, result = propose(live, "member.suspend", {"member": "treasury"})
    assert result.code == Code.REFUSED_BY_RULES


def test_an_officer_comes_and_the_old_one_goes(live: Ledger) -> None:
    key = FileKey(ec.generate_private_key(ec.SECP256R1()))
    words = {"consortium": "development", "member": "finance"}
    args = {"member": "finance", "name": "deputy", "public_key": encode_public_key(key.public_key)}
    pop = prove(key, **words, purpose="officer/deputy")
    wrong = prove(key, **words, purpose="officer/officer")
    assert decide(live, "officer.add", args | {"pop": wrong}).code == Code.BAD_ARGUMENTS
    assert decide(live, "officer.add", args | {"pop": pop}).ok
    assert decide(live, "officer.remove", {"member": "finance", "name": "officer"}).ok
    suspend = {"id": "p-last", "kind": "member.suspend", "args": {"member": "interior"}}
    assert live.call("finance/officer", "governance/propose", suspend).code == Code.UNKNOWN_KEY
    assert live.call("finance/deputy", "governance/propose", suspend, key=key).ok


def test_a_member_says_itself_where_it_is_reached(live: Ledger) -> None:
    api = {"host": "node.finance.example", "port": 8443}
    assert live.call("finance", "membership/set_endpoints", {"api": api}).ok
    assert live.read("members/finance")["api"] == api
    for bad in ({}, {"api": api | {"port": 0}}, {"api": {"host": "x"}}, {"api": api | {"host": ""}}, {"power": 99}):
        assert live.call("finance", "membership/set_endpoints", bad).code == Code.BAD_ARGUMENTS
    assert live.call("finance", "membership/set_tls_ca", {"tls_ca": "none"}).code == Code.BAD_ARGUMENTS
    authority = live.members["finance"].contribution["payload"]["tls_ca"]
    assert live.call("finance", "membership/set_tls_ca", {"tls_ca": authority}).ok


def test_no_member_keeps_the_others_from_proposing(live: Ledger) -> None:
    def propose_nothing(by: str, number: int) -> Any:
        args = {"id": f"{by}-{number}", "kind": "member.suspend", "args": {"member": "interior"}}
        return live.call(f"{by}/officer", "governance/propose", args)

    assert all(propose_nothing("treasury", number).ok for number in range(MAX_OPEN_PER_MEMBER))
    refused = propose_nothing("treasury", 99)
    assert (refused.code, refused.log) == (Code.CONFLICT, "treasury has 8 proposals open, the most of one member")
    assert propose_nothing("finance", 1).ok
    assert live.call("treasury/officer", "governance/withdraw", {"proposal": "treasury-0"}).ok
    assert propose_nothing("treasury", 99).ok
