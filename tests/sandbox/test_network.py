"""What the cloud's state closes is closed for real packets, and the program opens it again."""

from __future__ import annotations

from typing import Any

import pytest

from gchain.stacks.automation import StackRun

from .consortium import Consortium, wait_until

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

PEERS = 26656
HERE, FROM = "treasury", "health"


def _rules(forming: Consortium, source: str) -> list[dict[str, Any]]:
    """The rules of the member's groups that let `source` in to the peers' port."""
    found = forming.cloud(HERE, "ec2").describe_security_group_rules()["SecurityGroupRules"]
    return [
        each for each in found if not each["IsEgress"] and each["FromPort"] == PEERS and each.get("CidrIpv4") == source
    ]


def _reaches(forming: Consortium, member: str) -> bool:
    address = forming.address(HERE)
    return bool(forming.host(member).run(f"timeout 6 bash -c '</dev/tcp/{address}/{PEERS}'").rc == 0)


def test_a_port_closed_in_the_cloud_stops_packets_and_the_next_up_opens_it(forming: Consortium) -> None:
    source = str(forming.member(FROM).vpc_cidr)
    (rule,) = _rules(forming, source)
    assert _reaches(forming, FROM)
    forming.cloud(HERE, "ec2").revoke_security_group_ingress(
        GroupId=rule["GroupId"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]]
    )
    forming.sandbox.converged()
    assert not _reaches(forming, FROM)
    assert _reaches(forming, "customs"), "only the peer whose rule was revoked is shut out"
    stack = StackRun(forming.environment, forming.workspace, HERE, policy_pack=forming.rollout.policy_pack)
    assert stack.refresh().by_kind.get("delete") == 1, "a refresh finds what was changed behind the stack's back"
    assert {kind: n for kind, n in stack.up().by_kind.items() if kind != "same"} == {"create": 1}
    forming.sandbox.converged()
    assert _reaches(forming, FROM)
    assert stack.up().none
    wait_until("all peers of treasury", lambda: len(forming.status(HERE)["peers"]) == len(forming.names) - 1)


def test_the_reconciler_says_how_late_it_is_and_has_no_problem(forming: Consortium) -> None:
    status = forming.sandbox.converged()
    assert status["reconciler"]["lag_ms"] is not None
    assert status["problems"] == []
