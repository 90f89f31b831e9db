from __future__ import annotations

import pytest
from dnslib import QTYPE, RCODE, DNSRecord

from gchain.sandbox.network.names import answer, reply
from gchain.sandbox.network.state import CloudState

MIRRORS = {"mirror.test": "10.8.0.80"}
IN_A, IN_B = "10.1.1.10", "10.2.1.10"


@pytest.mark.parametrize(
    ("asker", "name", "kind", "expected"),
    [
        (IN_A, "node.ledger.test", "A", ([("node.ledger.test", "A", "10.1.1.10")], True)),
        (IN_A, "node.ledger.test", "AAAA", ([], True)),
        (IN_A, "missing.ledger.test", "A", ([], False)),
        (IN_A, "x.inner.ledger.test", "A", ([("x.inner.ledger.test", "A", "10.1.2.10")], True)),
        (IN_B, "node.ledger.test", "A", ([], False)),
        (IN_B, "mirror.test", "A", ([("mirror.test", "A", "10.8.0.80")], True)),
        (
            IN_A,
            "ip-10-1-2-10.eu-central-1.compute.internal",
            "A",
            ([("ip-10-1-2-10.eu-central-1.compute.internal", "A", "10.1.2.10")], True),
        ),
        (IN_B, "ip-10-1-2-10.eu-central-1.compute.internal", "A", ([], False)),
        (IN_A, "www.example.org", "A", ([], False)),
        ("192.0.2.1", "node.ledger.test", "A", ([], False)),
    ],
)
def test_a_question_is_answered_as_the_askers_vpc_sees_it(
    two_vpcs: CloudState, asker: str, name: str, kind: str, expected: tuple[list[tuple[str, str, str]], bool]
) -> None:
    assert answer(two_vpcs, MIRRORS, asker, name, kind) == expected


def test_an_alias_is_followed(two_vpcs: CloudState) -> None:
    found, known = answer(two_vpcs, MIRRORS, IN_A, "alias.ledger.test", "A")
    assert known
    assert found == [("alias.ledger.test", "CNAME", "node.ledger.test."), ("node.ledger.test", "A", "10.1.1.10")]


def test_a_message_is_answered_with_its_own_id(two_vpcs: CloudState) -> None:
    question = DNSRecord.question("Node.Ledger.Test", "A")
    response = DNSRecord.parse(reply(question.pack(), IN_A, two_vpcs, MIRRORS))
    assert response.header.id == question.header.id
    assert [(QTYPE[each.rtype], str(each.rdata)) for each in response.rr] == [("A", "10.1.1.10")]


def test_text_records_lose_their_quotes(two_vpcs: CloudState) -> None:
    response = DNSRecord.parse(reply(DNSRecord.question("node.ledger.test", "TXT").pack(), IN_A, two_vpcs, MIRRORS))
    assert response.rr[0].rdata.data == [b"member=a"]


def test_an_unknown_name_and_a_broken_message_are_refused(two_vpcs: CloudState) -> None:
    unknown = DNSRecord.parse(reply(DNSRecord.question("nowhere.test").pack(), IN_A, two_vpcs, MIRRORS))
    assert unknown.header.rcode == RCODE.NXDOMAIN
    broken = DNSRecord.parse(reply(b"\x12\x34" + b"\xff" * 20, IN_A, two_vpcs, MIRRORS))
    assert (broken.header.id, broken.header.rcode) == (0x1234, RCODE.FORMERR)
