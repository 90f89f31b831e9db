from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import yaml

from gchain import environment
from gchain.errors import ConfigurationError

CASES = sorted((Path(__file__).parents[3] / "cases" / "environment").glob("*.yaml"))
SHIPPED = ["eu-sovereign", "sandbox", "uk", "us-gov"]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_environment_loads(name: str) -> None:
    found = environment.load(name)
    assert len(found.consortium.members) == 4
    assert found.zone_digest.startswith("sha256:")


def test_exactly_the_shipped_environments_are_listed() -> None:
    assert environment.names() == SHIPPED


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_spoiled_file_is_refused_with_file_key_and_reason(case: Path, environments: Path) -> None:
    given = yaml.safe_load(case.read_text())
    path = environments / "sandbox" / given["file"]
    text = path.read_text()
    assert given["replace"] in text, "the case no longer fits the sandbox's files"
    path.write_text(text.replace(given["replace"], given["with"], 1))
    with pytest.raises(ConfigurationError) as refused:
        environment.load("sandbox")
    for expected in given["says"]:
        assert expected in str(refused.value)


def test_an_unspoiled_copy_is_accepted(environments: Path) -> None:
    assert environment.load("sandbox").directory == environments / "sandbox"


def test_a_missing_environment_names_its_near_match(environments: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        environment.load("sandbax")
    assert refused.value.remedy == "did you mean 'sandbox'?"


def test_a_missing_file_is_named(environments: Path) -> None:
    (environments / "sandbox" / "consortium.yaml").unlink()
    with pytest.raises(ConfigurationError, match=r"consortium\.yaml: No such file"):
        environment.load("sandbox")


def test_the_zone_digest_follows_the_zone_and_not_its_spelling(environments: Path) -> None:
    before = environment.load("sandbox").zone_digest
    path = environments / "sandbox" / "zone.yaml"
    text = path.read_text()
    path.write_text("# another comment\n" + text)
    assert environment.load("sandbox").zone_digest == before
    path.write_text(text.replace("mirror.gchain.internal", "packages.gchain.internal"))
    assert environment.load("sandbox").zone_digest != before


def test_an_environment_cannot_be_changed() -> None:
    found = environment.load("sandbox")
    with pytest.raises(FrozenInstanceError):
        found.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(("removed", "warned"), [(0, False), (1, True)])
def test_fewer_than_four_validators_are_warned_of(removed: int, warned: bool, environments: Path) -> None:
    zone_path, path = environments / "sandbox" / "zone.yaml", environments / "sandbox" / "consortium.yaml"
    document = yaml.safe_load(path.read_text())
    document["members"] = document["members"][: 4 - removed]
    path.write_text(yaml.safe_dump(document))
    zone = yaml.safe_load(zone_path.read_text())
    names = {member["name"] for member in document["members"]} | {"log_archive"}
    zone["accounts"] = {name: account for name, account in zone["accounts"].items() if name in names}
    zone["operators"] = [person for person in zone["operators"] if person["member"] in names]
    zone_path.write_text(yaml.safe_dump(zone))
    warnings = environment.load("sandbox").warnings()
    assert any("cannot survive one fault" in text for text in warnings) is warned


def test_three_sites_are_warned_of_and_four_are_not() -> None:
    assert any("LED-005" in text for text in environment.load("uk").warnings())
    assert environment.load("us-gov").warnings() == []
