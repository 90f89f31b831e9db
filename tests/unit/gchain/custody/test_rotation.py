"""A rotation that is interrupted at any step goes on with the same command, and does nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from gchain.custody import rotation as module
from gchain.custody.record import KeyRecord, Purpose, RetiredKey
from gchain.custody.rotation import EVIDENCE_TYPE, Rotation
from gchain.environment import load
from gchain.errors import ConfigurationError, ConsortiumError
from gchain.workspace import Workspace
from gchain_node.dsse import verify_dsse
from gchain_node.keys import encode_public_key, key_id
from gchain_node.keys.file_key import FileKey
from gchain_node.keys.public import cometbft_address, cometbft_bytes, public_der

STRONG = {"never_extractable": True, "always_sensitive": True, "local": True, "extractable": False}
OFFICER = FileKey(ec.generate_private_key(ec.SECP256R1()))


class Interrupted(Exception):  # noqa: N818 -- not an error of the product
    pass


class Plug:
    """Pulls itself at the step that it was set for."""

    def __init__(self, at: int | None = None) -> None:
        self.left, self.steps = at, 0

    def step(self) -> None:
        self.steps += 1
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Interrupted


class World:
    """A ledger and a host as far as a rotation asks of them; what happens to keys is noted in order."""

    def __init__(self, attributes: dict[str, Any] | None = None, silent: list[str] | None = None) -> None:
        self.old = Ed25519PrivateKey.generate()
        self.token = {"consensus": FileKey(self.old), "member": _p256(), "receipt": _p256(), "tls": _p256()}
        self.attributes, self.silent, self.plug = attributes or STRONG, silent or [], Plug()
        self.validator, self.member_key = self.token["consensus"], self.token["member"]
        self.receipt_key, self.tls_ca = self.token["receipt"], certificate(self.token["tls"])
        self.rotated: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self.height, self.pace = 100, 0.5

    # the ledger, as `Registration` shows it

    def entry(self) -> dict[str, Any]:
        key = self.validator.public_key
        validator = {"type": "ed25519", "public_key": cometbft_bytes(key), "address": cometbft_address(key)}
        keys = {"member_key": self.member_key, "receipt_key": self.receipt_key}
        found = {name: public_der(each.public_key) for name, each in keys.items()}
        return {"validator": validator, "tls_ca": self.tls_ca} | found

    def blocks_within(self, seconds: float) -> int:
        return int(self.pace * seconds)

    def missing_votes(self) -> list[str]:
        return self.silent

    def read(self, path: str) -> Any:
        return self.rotated.get(path.rpartition("/")[2])

    def rotation(self) -> None:
        return None

    def transact(self, action: str, args: dict[str, Any]) -> Any:
        self.plug.step()
        self.log.append(action)
        if action == "set_tls_ca":
            self.tls_ca = args["tls_ca"]
            self.plug.step()
            return type("Outcome", (), {"height": self.height})()
        key = next(each for each in self.token.values() if encode_public_key(each.public_key) == args["public_key"])
        if action == "rotate_validator_key":
            address = cometbft_address(key.public_key).hex()
            assert address not in self.rotated, "registered twice"
            self.rotated[address] = {"status": "scheduled", "since": args["height"]}
            self.validator = key
        else:
            setattr(self, action.removeprefix("rotate_"), key)
        self.plug.step()
        return type("Outcome", (), {"height": self.height})()

    def wait(self, what: str, condition: Callable[[], Any]) -> Any:
        self.plug.step()
        self.height += 1_000
        assert condition(), what
        return True

    # the hosts

    def make(self, purpose: Purpose) -> dict[str, Any]:
        self.plug.step()
        record = KeyRecord.read(self.workspace, "treasury")
        name = record.to_variables()["next_objects"][purpose]
        self.token.setdefault(name, FileKey(Ed25519PrivateKey.generate()) if purpose == "consensus" else _p256())
        made = self.token[name].public_key
        self.plug.step()
        address = cometbft_address(made).hex() if purpose == "consensus" else key_id(made).hex()
        shown = {"public_key": encode_public_key(made), "pop": "p", "attributes": self.attributes}
        shown["certificate"] = certificate(self.token[name]) if purpose == "tls" else ""
        return shown | {"address": address}

    def switch(self, first_height: int = 0) -> None:
        self.plug.step()
        found = KeyRecord.read(self.workspace, "treasury").to_variables()
        self.log.append(f"use {found['objects']['consensus']} then {found['next_consensus'].get('object')}")
        self.plug.step()

    def destroy(self, key: RetiredKey) -> dict[str, Any]:
        self.plug.step()
        there = self.token.pop(key.object, None)
        self.plug.step()
        return {"destroyed": there is not None}

    workspace: Workspace


@cache
def certificate(key: FileKey) -> str:
    """Its issuing certificate (PEM), the same each time."""
    name, begin = x509.Name([]), datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key)
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + timedelta(days=900))
    signer: Any = key._private
    return builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _p256() -> FileKey:
    return FileKey(ec.generate_private_key(ec.SECP256R1()))


@contextmanager
def _officer(*_: Any) -> Any:
    yield "treasury/officer", OFFICER


@pytest.fixture
def rotate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Rotation]:
    monkeypatch.setattr(module, "officer_key", _officer)

    def make(world: World, purpose: Purpose, **more: Any) -> Rotation:
        world.workspace = Workspace(tmp_path, "sandbox", "unit")
        world.workspace.member("treasury").root.mkdir(parents=True, exist_ok=True)
        agency: Any = load("sandbox").member("treasury")
        ledger: Any = world
        hosts: Any = world
        return Rotation(world.workspace, agency, purpose, ledger, hosts, lambda _: None, **more)

    return make


def _count(rotate: Callable[..., Rotation], world: World, purpose: Purpose) -> int:
    rotate(world, purpose).run()
    return world.plug.steps


@pytest.mark.parametrize("purpose", ["consensus", "member", "receipt", "tls"])
def test_a_rotation_ends_with_the_new_key_in_use_and_the_old_one_destroyed(
    rotate: Callable[..., Rotation], purpose: Purpose
) -> None:
    world = World()
    old = encode_public_key(world.token[purpose].public_key)
    done = rotate(world, purpose).run()
    assert (done.public_key, done.destroyed, done.lost) == (old, True, False)
    record = KeyRecord.read(world.workspace, "treasury")
    assert record.keys[purpose].object == f"{purpose}-2"
    assert record.keys[purpose].next is None
    assert purpose not in world.token
    envelope = json.loads((world.workspace.member("treasury").evidence / f"rotations/{purpose}.dsse.json").read_text())
    payload, _ = verify_dsse(envelope, EVIDENCE_TYPE, {OFFICER.kid.hex(): OFFICER.public_key})
    assert json.loads(payload)["replaced"]["public_key"] == old
    assert json.loads(payload)["in_use"]["public_key"] == encode_public_key(world.token[f"{purpose}-2"].public_key)


def test_the_signer_holds_both_keys_before_the_height_and_the_new_one_alone_after(
    rotate: Callable[..., Rotation],
) -> None:
    world = World()
    rotate(world, "consensus").run()
    assert world.log == ["rotate_validator_key", "use consensus then consensus-2", "use consensus-2 then None"]


@pytest.mark.parametrize(
    ("pace", "lost", "lead", "ahead"),
    [(0.5, False, None, 60), (2.5, False, None, 150), (2.5, False, 20, 20), (2.5, True, None, 10)],
)
def test_a_new_consensus_key_waits_for_a_minutes_blocks_or_as_many_as_asked_for_and_a_lost_ones_for_few(
    rotate: Callable[..., Rotation], pace: float, lost: bool, lead: int | None, ahead: int
) -> None:
    world = World()
    world.pace = pace
    rotation = rotate(world, "consensus")
    rotation.lost, rotation.lead = lost, lead
    rotation.run()
    assert [each["since"] for each in world.rotated.values()] == [100 + ahead]


@pytest.mark.parametrize("purpose", ["consensus", "member", "receipt", "tls"])
def test_an_interruption_at_any_step_is_made_good_by_the_same_command(
    rotate: Callable[..., Rotation], purpose: Purpose, tmp_path: Path
) -> None:
    steps = _count(rotate, World(), purpose)
    KeyRecord.path(Workspace(tmp_path, "sandbox"), "treasury").unlink()
    for at in range(steps):
        world = World()
        old = world.tls_ca
        for left in tmp_path.rglob("*.json"):
            left.unlink()
        world.plug = Plug(at)
        with pytest.raises(Interrupted):
            rotate(world, purpose).run()
        world.plug = Plug()
        done = rotate(world, purpose).run()
        assert done.destroyed, f"interrupted at step {at} of {steps}"
        assert sorted(world.token) == sorted({"consensus", "member", "receipt", "tls"} - {purpose} | {f"{purpose}-2"})
        if purpose == "tls":
            assert done.certificate == old, f"interrupted at step {at}: the record lost the old certificate"
            assert world.tls_ca == certificate(world.token["tls-2"]), "the ledger has the new one alone"
        else:
            assert sum(line.startswith("rotate_") for line in world.log) == 1, "registered once"


def test_a_kill_between_the_evidence_and_the_record_does_not_begin_another_rotation(
    rotate: Callable[..., Rotation],
) -> None:
    world = World()
    rotate(world, "member").run()
    record = KeyRecord.read(world.workspace, "treasury")
    record.retired[-1].destroyed = False  # what the record says when the last write was cut off
    record.write(world.workspace, "treasury")
    assert rotate(world, "member").run().destroyed
    assert "member-3" not in world.token
    assert sum(line.startswith("rotate_") for line in world.log) == 1


def test_the_next_rotation_takes_the_next_name(rotate: Callable[..., Rotation]) -> None:
    world = World()
    rotate(world, "consensus").run()
    done = rotate(world, "consensus", again=True).run()
    assert done.object == "consensus-2"
    assert KeyRecord.read(world.workspace, "treasury").keys["consensus"].object == "consensus-3"


@pytest.mark.parametrize("purpose", ["consensus", "member", "receipt", "tls"])
def test_the_same_command_after_a_rotation_that_ended_changes_nothing(
    rotate: Callable[..., Rotation], purpose: Purpose
) -> None:
    world = World()
    done = rotate(world, purpose).run()
    steps = world.plug.steps
    assert rotate(world, purpose).run() == done
    assert world.plug.steps == steps
    record = KeyRecord.read(world.workspace, "treasury")
    record.retired[-1].at = "2026-01-01T00:00:00Z"
    record.write(world.workspace, "treasury")
    assert rotate(world, purpose).run().object == f"{purpose}-2", "a rotation of long ago is followed by the next"


def test_a_token_lost_while_a_rotation_is_under_way_is_made_good_with_a_key_of_a_new_token(
    rotate: Callable[..., Rotation],
) -> None:
    world = World()
    world.plug = Plug(2)  # the key was made, nothing is registered
    with pytest.raises(Interrupted):
        rotate(world, "consensus").run()
    world.plug, gone = Plug(), world.token.pop("consensus-2")
    del world.token["consensus"]
    done = rotate(world, "consensus", lost=True).run()
    assert done.lost
    in_use = KeyRecord.read(world.workspace, "treasury").keys["consensus"].public_key
    assert in_use == encode_public_key(world.token["consensus-2"].public_key) != encode_public_key(gone.public_key)


def test_a_token_lost_after_its_new_key_was_registered_is_refused_with_what_to_do(
    rotate: Callable[..., Rotation],
) -> None:
    world = World()
    world.plug = Plug(4)  # registered, the signer is not told yet
    with pytest.raises(Interrupted):
        rotate(world, "consensus").run()
    world.plug = Plug()
    with pytest.raises(ConsortiumError, match="consensus-2 registered") as caught:
        rotate(world, "consensus", lost=True).run()
    assert "cancel_rotation" in str(caught.value.remedy)


def test_a_token_lost_before_the_old_key_was_destroyed_leaves_evidence_and_begins_anew(
    rotate: Callable[..., Rotation],
) -> None:
    world = World()
    record_of = lambda: KeyRecord.read(world.workspace, "treasury")  # noqa: E731
    world.plug = Plug(_steps_until_destroyed(rotate))
    with pytest.raises(Interrupted):
        rotate(world, "receipt").run()
    world.plug = Plug()
    world.token.pop("receipt")
    world.token.pop("receipt-2")
    assert rotate(world, "receipt", lost=True).run().object == "receipt-2"
    assert [(each.object, each.lost) for each in record_of().retired] == [("receipt", True), ("receipt-2", True)]
    assert record_of().keys["receipt"].object == "receipt-3"


def _steps_until_destroyed(rotate: Callable[..., Rotation]) -> int:
    """Steps of a rotation of the receipt key before the host is asked to destroy the old one."""
    world = World()
    steps = _count(rotate, world, "receipt")
    for left in world.workspace.root.rglob("*.json"):
        left.unlink()
    return steps - 2


def test_a_key_that_went_with_its_token_is_written_down_as_lost_and_nothing_is_destroyed(
    rotate: Callable[..., Rotation],
) -> None:
    world = World()
    del world.token["consensus"]
    done = rotate(world, "consensus", lost=True).run()
    assert (done.lost, done.destroyed) == (True, False)
    assert world.log == ["rotate_validator_key", "use consensus-2 then None"]


def test_a_key_that_could_leave_its_token_is_never_registered(rotate: Callable[..., Rotation]) -> None:
    world = World(attributes=STRONG | {"never_extractable": False})
    with pytest.raises(ConsortiumError, match="not bound to its token"):
        rotate(world, "consensus").run()
    assert world.log == []


def test_no_rotation_begins_while_another_validator_is_silent(rotate: Callable[..., Rotation]) -> None:
    world = World(silent=["ab" * 20])
    with pytest.raises(ConsortiumError, match="could cost the quorum"):
        rotate(world, "consensus").run()
    assert not KeyRecord.path(world.workspace, "treasury").exists()
    assert rotate(world, "receipt").run().destroyed, "other keys have no vote to lose"


def test_a_record_that_is_damaged_is_refused_and_named(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "sandbox", "unit")
    workspace.member("treasury").root.mkdir(parents=True)
    KeyRecord.path(workspace, "treasury").write_text('{"version": 1, "kyes": {}}')
    with pytest.raises(ConfigurationError, match=r"keys\.json"):
        KeyRecord.read(workspace, "treasury")
