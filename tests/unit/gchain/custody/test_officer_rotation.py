"""An officer's key is replaced in a real token and on a real ledger; interrupted anywhere, the same command goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gchain.consortium.officers import make_officers
from gchain.consortium.register import proven_officers
from gchain.custody import officer_rotation as module
from gchain.custody import registration
from gchain.custody.inventory import inventory
from gchain.custody.officer_rotation import OfficerRotation
from gchain.custody.record import KeyRecord
from gchain.custody.registration import Registration
from gchain.custody.rotation import EVIDENCE_TYPE
from gchain.environment import load
from gchain.errors import ConfigurationError, ConsortiumError
from gchain.workspace import Workspace
from gchain_node import development, officer
from gchain_node.api.application import api_application, status_application
from gchain_node.api.feed import BlockFeed
from gchain_node.api.limits import RateLimit
from gchain_node.api.view import LedgerView
from gchain_node.app import App
from gchain_node.client import Client
from gchain_node.dev_service import open_ledger
from gchain_node.dsse import sign_dsse
from gchain_node.engine.embedded.engine import EmbeddedEngine
from gchain_node.keys import encode_public_key
from gchain_node.keys.file_key import FileKey
from gchain_node.keys.possession import prove
from gchain_node.keys.uri import DEFAULT_MODULE
from gchain_node.metrics import Metrics
from gchain_node.store import Store
from gchain_node.tlog.log import TransparencyLog
from node.tests.api.conftest import ending_soon, listening
from policies.errors import ReportError
from policies.officers import Officer
from policies.register import known_officers

needs_softhsm = pytest.mark.skipif(
    not Path(DEFAULT_MODULE).exists(), reason=f"SoftHSM2 is not installed: {DEFAULT_MODULE}"
)
HELENE, OTTO = "helene-brandt", "otto-falkner"
KIND = "application/vnd.gchain.test+json"


class Interrupted(Exception):  # noqa: N818 -- not an error of the product
    pass


class Tokens:
    """The officers' tokens in memory, where a test makes so many keys that real ones would take minutes."""

    def __init__(self, names: list[str], words: dict[str, str]) -> None:
        self.words = words
        self.keys = {name: {name: FileKey(ec.generate_private_key(ec.SECP256R1()))} for name in names}
        self.current = {name: name for name in names}

    def public(self) -> list[dict[str, Any]]:
        return [{"name": name, **self._proved(name, name)} for name in self.keys]

    def _proved(self, name: str, label: str) -> dict[str, Any]:
        key = self.keys[name][label]
        pop = prove(key, **self.words, purpose=f"officer/{name}")
        return {"public_key": encode_public_key(key.public_key), "pop": pop}

    def key_label(self, _: Path, name: str) -> str:
        return self.current[name]

    def make_key(self, _: Path, name: str, label: str, **__: Any) -> dict[str, Any]:
        self.keys[name].setdefault(label, FileKey(ec.generate_private_key(ec.SECP256R1())))
        strong = {"never_extractable": True, "always_sensitive": True, "local": True, "extractable": False}
        return self._proved(name, label) | {"attributes": strong}

    def use_key(self, _: Path, name: str, label: str, **__: Any) -> None:
        assert label in self.keys[name]
        self.current[name] = label

    def destroy_key(self, _: Path, name: str, label: str, public_key: str) -> dict[str, Any]:
        assert label != self.current[name]
        gone = self.keys[name].pop(label, None)
        assert gone is None or encode_public_key(gone.public_key) == public_key
        return {"destroyed": gone is not None}

    @contextmanager
    def officer_key(self, _: Any, member: Any, name: str = "") -> Iterator[tuple[str, FileKey]]:
        yield f"{member.name}/{name}", self.keys[name][self.current[name]]

    def make_officers(self, *_: Any) -> None:
        pass


class World:
    """Treasury with two officers, and a ledger of its own that knows them."""

    def __init__(self, workspace: Workspace, ledger: Registration, tokens: Tokens | None) -> None:
        self.workspace, self.ledger, self.tokens = workspace, ledger, tokens
        self.environment = load("sandbox")
        self.member = self.environment.member("treasury")
        self.store = workspace.member("treasury").officer

    def rotate(self, **more: Any) -> Any:
        who = more.pop("officer", HELENE)
        return OfficerRotation(
            self.workspace, self.environment, self.member, who, self.ledger, lambda _: None, **more
        ).run()

    def registered(self, name: str = HELENE) -> Any:
        found = {each["name"]: each["public_key"] for each in self.ledger.entry()["officers"]}
        return found[name]

    def key(self) -> str:
        with module.officer_key(self.workspace, self.member, HELENE) as (_, key):
            return encode_public_key(key.public_key)

    def labels(self) -> list[str]:
        if self.tokens is not None:
            return sorted(self.tokens.keys[HELENE])
        uri = officer._current(self.store, HELENE)
        rows = json.loads(officer._run(["list", "--uri", str(uri), *officer._in(uri), "--json"]))
        return sorted(row["label"] for row in rows)

    def signed(self) -> dict[str, Any]:
        with module.officer_key(self.workspace, self.member, HELENE) as (_, key):
            return sign_dsse(KIND, b"{}", key)

    def record(self) -> KeyRecord:
        return KeyRecord.read(self.workspace, "treasury")


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """With officers' keys in SoftHSM tokens."""
    environment, workspace = load("sandbox"), Workspace(tmp_path / "w", "sandbox", "unit")
    make_officers(environment, workspace, environment.member("treasury"))
    public = json.loads((workspace.member("treasury").officer / "officers.json").read_text())
    with founded(tmp_path, monkeypatch, public, None) as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    tokens = Tokens([HELENE, OTTO], {"consortium": load("sandbox").consortium.name, "member": "treasury"})
    for name in ("key_label", "make_key", "use_key", "destroy_key", "make_officers", "officer_key"):
        monkeypatch.setattr(module, name, getattr(tokens, name))
    monkeypatch.setattr(registration, "officer_key", tokens.officer_key)
    with founded(tmp_path, monkeypatch, tokens.public(), tokens) as made:
        yield made


@contextmanager
def founded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public: list[dict[str, Any]], tokens: Tokens | None
) -> Iterator[World]:
    environment, workspace = load("sandbox"), Workspace(tmp_path / "w", "sandbox", "unit")
    workspace.public.mkdir(parents=True)
    workspace.member("treasury").root.mkdir(parents=True, exist_ok=True)
    make = development.contribution.make
    monkeypatch.setattr(development, "CONSORTIUM", environment.consortium.name)
    monkeypatch.setattr(
        development.contribution,
        "make",
        lambda facts, **more: make(facts, **more | {"officers": [*more["officers"], *public]}),
    )
    consortium = development.DevelopmentConsortium.open(tmp_path / "ledger", ("treasury",))
    workspace.genesis.write_text(json.dumps(consortium.genesis))
    workspace.trust.write_text((tmp_path / "ledger" / "trust.json").read_text())
    with running(consortium) as (api, status):
        node: Any = type("Node", (), {"name": "v1", "status": lambda _: status.get("/v1/status").json()})()

        @contextmanager
        def client(*_: Any) -> Iterator[Client]:
            with Client(str(api.base_url)) as opened:
                yield opened

        monkeypatch.setattr(registration, "open_client", client)
        yield World(workspace, Registration(workspace, environment.member("treasury"), node), tokens)


@contextmanager
def running(consortium: development.DevelopmentConsortium) -> Iterator[tuple[Any, Any]]:
    store, feed, metrics = Store(None), BlockFeed(), Metrics()
    app, keys = App(store), consortium.members[0].keys
    engine = EmbeddedEngine(app, None, consortium.genesis, [keys["validator"]], on_block=feed.publish)
    log = TransparencyLog(store, "gchain-dev", lambda: keys["receipt"])
    view = LedgerView(app, engine, feed, chain_id="gchain-dev", member="treasury", log=log)
    open_ledger(view, engine, consortium)
    engine.start()
    api = api_application(view, metrics, RateLimit(1000, 1000), max_body=600_000)
    with ending_soon(), listening(api) as one, listening(status_application(view, metrics)) as other:
        yield one, other
    engine.close()


@needs_softhsm
def test_the_new_key_signs_and_the_old_one_is_gone_from_token_ledger_and_register(real: World) -> None:
    old, before = real.key(), real.signed()
    genesis = json.loads(real.workspace.genesis.read_text())
    known_officers(real.workspace, genesis).verify(before, KIND)
    done = real.rotate()
    assert (done.object, done.public_key, done.destroyed, done.lost) == (HELENE, old, True, False)
    assert real.labels() == [f"{HELENE}-2"]
    new = real.key()
    assert new != old
    assert encode_public_key(proven_officers(real.workspace)["treasury"][HELENE]) == new
    public = json.loads((real.store / "officers.json").read_text())
    assert [each["public_key"] for each in public if each["name"] == HELENE] == [new]
    officers = known_officers(real.workspace, genesis)
    _, signers = officers.verify(real.signed(), KIND)
    assert signers == [Officer("treasury", HELENE)]
    with pytest.raises(ReportError, match="no registered officer"):
        officers.verify(before, KIND)
    evidence = json.loads((real.workspace.member("treasury").evidence / f"rotations/{HELENE}.dsse.json").read_text())
    statement, _ = officers.verify(evidence, EVIDENCE_TYPE)
    assert (statement["purpose"], statement["replaced"]["public_key"]) == (f"officer/{HELENE}", old)
    assert statement["report"]["destroyed"]


def test_the_inventory_shows_the_key_in_use_and_the_one_that_is_gone(world: World) -> None:
    world.rotate()
    contribution = json.loads(world.workspace.genesis.read_text())["app_state"]["contributions"][0]
    world.workspace.contributions.mkdir()
    (world.workspace.contributions / "treasury.json").write_text(json.dumps(contribution))
    now = module.datetime.now(module.UTC)
    rows = inventory(world.workspace, world.member, world.ledger.entry(), now=now)
    mine = [(row.object, row.state, row.registered, row.due) for row in rows if row.purpose == f"officer/{HELENE}"]
    assert mine == [(f"{HELENE}-2", "in use", True, ""), (HELENE, "destroyed", False, "")]
    assert all(row.since and row.until for row in rows if row.object == f"{HELENE}-2")


def test_the_same_command_after_a_rotation_that_ended_changes_nothing(world: World) -> None:
    world.rotate()
    key = world.key()
    world.rotate()
    assert world.key() == key
    assert world.rotate(again=True).object == f"{HELENE}-2"
    assert world.labels() == [f"{HELENE}-3"]


def test_an_interruption_after_any_step_is_made_good_by_the_same_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {"left": -1}

    def interrupted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            found = function(*args, **more)
            step()
            return found

        return call

    def step() -> None:
        steps["left"] -= 1
        if steps["left"] == 0:
            raise Interrupted

    for name in ("make_key", "use_key", "make_officers", "destroy_key", "write_evidence"):
        monkeypatch.setattr(module, name, interrupted(getattr(module, name)))
    sent = []
    transact = world.ledger.transact
    noted: Any = lambda *args: (sent.append(args), transact(*args))[1]  # noqa: E731
    monkeypatch.setattr(world.ledger, "transact", interrupted(noted))
    monkeypatch.setattr(world.ledger, "publish", interrupted(world.ledger.publish))
    for at in range(1, 8):
        before, steps["left"] = world.key(), at
        with pytest.raises(Interrupted):
            world.rotate(again=True)
        steps["left"] = -1
        done = world.rotate()
        assert (done.public_key, done.destroyed) == (before, True), f"interrupted after step {at}"
        assert world.labels() == [f"{HELENE}-{at + 1}"]
        assert len(sent) == at, "registered once"
        assert encode_public_key(proven_officers(world.workspace)["treasury"][HELENE]) == world.key()


def test_a_lost_key_is_replaced_by_a_colleagues_signature_alone(world: World) -> None:
    old = world.key()
    with pytest.raises(ConsortiumError, match="a colleague of treasury must sign") as caught:
        world.rotate(lost=True)
    assert "--by" in str(caught.value.remedy)
    done = world.rotate(lost=True, by=OTTO)
    assert (done.public_key, done.lost, done.destroyed) == (old, True, False)
    assert world.key() != old
    assert world.rotate() == done, "the lost key is written down; there is nothing more to do"


def test_a_token_lost_after_its_new_key_was_registered_ends_both_keys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> None:
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(module, "use_key", gone)
        with pytest.raises(Interrupted):
            world.rotate()
    world.rotate(lost=True, by=OTTO)
    assert [(each.object, each.lost) for each in world.record().retired] == [(HELENE, True), (f"{HELENE}-2", True)]
    evidence = world.workspace.member("treasury").evidence / "rotations"
    assert sorted(path.name for path in evidence.iterdir()) == [f"{HELENE}-2.dsse.json", f"{HELENE}.dsse.json"]
    assert world.record().officers[HELENE].object == f"{HELENE}-3"
    assert encode_public_key(proven_officers(world.workspace)["treasury"][HELENE]) == world.key()


@pytest.mark.parametrize("wrong", [{"officer": "nobody"}, {"by": "nobody"}, {"by": HELENE}])
def test_a_name_that_does_not_fit_is_refused_before_anything_is_made(world: World, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        world.rotate(**wrong)
    assert world.labels() == [HELENE]


@pytest.mark.parametrize("damage", ["proof", "other member", "no trust"])
def test_a_register_that_is_not_proven_is_refused(world: World, damage: str) -> None:
    world.ledger.publish()
    assert HELENE in proven_officers(world.workspace)["treasury"]
    path = world.workspace.officers / "treasury.json"
    saved = json.loads(path.read_text())
    if damage == "proof":
        path.write_text(json.dumps(saved | {"proof": saved["proof"][:-8] + "AAAAAAAA"}))
    elif damage == "other member":
        path.rename(world.workspace.officers / "health.json")
    else:
        world.workspace.trust.unlink()
    with pytest.raises(ConsortiumError):
        proven_officers(world.workspace)
