from __future__ import annotations

from gchain.sandbox.layout import Layout, MemberSite, Plan, first_address
from gchain.sandbox.network.state import CloudState, Instance
from gchain.sandbox.ports import forwards, positions

PLAN = Plan(
    name="t",
    slot=2,
    environment="sandbox",
    members=(
        MemberSite("tax", "1", "eu-central-1", "10.9.1.0/28", ("validator-1", "observer-1")),
        MemberSite("health", "2", "eu-west-3", "10.9.2.0/28", ("validator-1",)),
    ),
    regions=("eu-central-1", "eu-west-3"),
    services_cidr="10.8.0.0/24",
)


def _instance(identifier: str, account: str, address: str, name: str = "") -> Instance:
    return Instance(identifier, account, "eu-central-1", "running", "subnet-1", address, name)


def _state(*instances: Instance) -> CloudState:
    return CloudState(instances={each.id: each for each in instances})


def test_hosts_take_their_places_in_member_order_by_name() -> None:
    state = _state(
        _instance("i-3", "2", "10.2.0.4", "validator-1.health.gchain.internal"),
        _instance("i-2", "1", "10.1.0.4", "tax-observer-1"),
        _instance("i-1", "1", "10.1.0.5", "validator-1"),
    )
    assert positions(PLAN, state) == {"i-1": 0, "i-2": 1, "i-3": 2}


def test_hosts_without_a_known_name_take_what_is_left_by_address() -> None:
    state = _state(
        _instance("i-b", "1", "10.1.0.10"), _instance("i-a", "1", "10.1.0.9"), _instance("i-c", "1", "10.1.0.11")
    )
    assert positions(PLAN, state) == {"i-a": 0, "i-b": 1}


def test_a_foreign_accounts_instance_has_no_place() -> None:
    assert positions(PLAN, _state(_instance("i-x", "9", "10.1.0.9", "validator-1"))) == {}


def test_a_host_is_dialled_from_its_own_members_network() -> None:
    found = forwards(Layout("t", 2), PLAN, _state(_instance("i-3", "2", "10.2.0.4")))
    assert found == {41212: ("gc-t-ops-health", "10.2.0.4", 8080), 41222: ("gc-t-ops-health", "10.2.0.4", 8443)}


def test_the_operators_address_is_the_first_usable_one() -> None:
    assert first_address("10.9.1.0/28") == "10.9.1.1"
