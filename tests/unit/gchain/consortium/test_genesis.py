"""Agreement on genesis between members who trust only their own files."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gchain.consortium import genesis
from gchain.consortium.trust import trust_log_key, write_trust
from gchain.environment import Environment, load
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node.development import DevelopmentConsortium
from gchain_node.proof.trust import Trust


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DevelopmentConsortium:
    """Contributions of the sandbox's members by throw-away keys in files."""
    monkeypatch.setenv("GCHAIN_DEVELOPMENT_KEYS", "1")
    names = [member.name for member in load("sandbox").consortium.members]
    return DevelopmentConsortium.open(tmp_path, names)


@pytest.fixture
def environment(made: DevelopmentConsortium) -> Environment:
    """The sandbox's, under the name that the contributions are for."""
    loaded = load("sandbox")
    name = made.members[0].contribution["payload"]["consortium"]
    return dataclasses.replace(loaded, consortium=loaded.consortium.model_copy(update={"name": name}))


@pytest.fixture
def workspace(tmp_path: Path, made: DevelopmentConsortium) -> Workspace:
    found = Workspace(tmp_path / "workspace", "sandbox", "case")
    found.contributions.mkdir(parents=True)
    for member in made.members:
        (found.contributions / f"{member.name}.json").write_text(json.dumps(member.contribution))
        found.member(member.name).root.mkdir(parents=True)
    return found


def test_every_member_accepts_the_document_that_its_own_files_give(
    environment: Environment, workspace: Workspace
) -> None:
    digest = genesis.build(environment, workspace)
    assert genesis.build(environment, workspace) == digest
    for member in environment.consortium.members:
        assert genesis.accept(environment, workspace, member.name) == digest
        assert (workspace.member(member.name).root / "genesis-digest").read_text().strip() == digest
    write_trust(workspace)
    assert Trust.from_json(json.loads(workspace.trust.read_text())).genesis_digest == digest


def test_a_log_key_of_a_rotation_is_added_once_and_stays_in_the_trust_file(
    environment: Environment, workspace: Workspace
) -> None:
    new = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert not trust_log_key(workspace, "treasury", new), "there is no trust file yet"
    genesis.build(environment, workspace)
    write_trust(workspace)
    before = json.loads(workspace.trust.read_text())
    assert trust_log_key(workspace, "treasury", new)
    assert not trust_log_key(workspace, "treasury", new)
    write_trust(workspace)
    after = Trust.from_json(json.loads(workspace.trust.read_text()))
    assert [name for name, _ in after.log.log_keys] == [*(entry["name"] for entry in before["log_keys"]), "treasury"]
    assert after.to_json() | {"log_keys": before["log_keys"]} == before


def test_the_trust_file_of_another_genesis_leaves_nothing_behind(
    environment: Environment, workspace: Workspace
) -> None:
    genesis.build(environment, workspace)
    write_trust(workspace)
    made = workspace.trust.read_text()
    trust_log_key(workspace, "treasury", ec.generate_private_key(ec.SECP256R1()).public_key())
    document = json.loads(workspace.trust.read_text()) | {"genesis_digest": "sha256:" + "0" * 64}
    workspace.trust.write_text(json.dumps(document))
    write_trust(workspace)
    assert workspace.trust.read_text() == made
    workspace.trust.write_text("{}")
    with pytest.raises(ConsortiumError, match="not a trust file"):
        write_trust(workspace)


@pytest.mark.parametrize(
    ("path", "value"),
    [(("chain_id",), "another-1"), (("app_state", "convenor"), "health"), (("app_state", "rules", "enforced"), [])],
)
def test_a_document_with_one_changed_value_is_refused_and_the_place_is_named(
    environment: Environment, workspace: Workspace, path: tuple[str, ...], value: object
) -> None:
    genesis.build(environment, workspace)
    document = json.loads(workspace.genesis.read_text())
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    workspace.genesis.write_text(json.dumps(document))
    with pytest.raises(ConsortiumError, match=r"does not accept") as caught:
        genesis.accept(environment, workspace, "treasury")
    assert ".".join(path[:2]) in str(caught.value)
    assert not (workspace.member("treasury").root / "genesis-digest").exists()


def test_a_missing_contribution_is_named(environment: Environment, workspace: Workspace) -> None:
    (workspace.contributions / "customs.json").unlink()
    with pytest.raises(ConsortiumError, match="customs"):
        genesis.build(environment, workspace)


def test_an_altered_contribution_is_refused(environment: Environment, workspace: Workspace) -> None:
    path = workspace.contributions / "health.json"
    document = json.loads(path.read_text())
    document["payload"]["jurisdiction"] = "FR"
    path.write_text(json.dumps(document))
    with pytest.raises(ConsortiumError, match="health"):
        genesis.build(environment, workspace)


def test_a_ledger_without_every_signature_does_not_start(environment: Environment, workspace: Workspace) -> None:
    genesis.build(environment, workspace)
    workspace.genesis_signatures.mkdir(parents=True)
    with pytest.raises(ConsortiumError, match="not signed by all"):
        genesis.check_signatures(workspace)
