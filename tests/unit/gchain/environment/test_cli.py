from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gchain.environment.cli import app
from gchain.errors import ConfigurationError


def test_check_prints_members_regions_and_digest() -> None:
    result = CliRunner().invoke(app, ["check", "sandbox"], catch_exceptions=False)
    assert "4 members, 4 validators, regions eu-central-1, eu-west-3, zone sha256:" in result.stdout


def test_check_prints_warnings_of_a_valid_environment() -> None:
    result = CliRunner().invoke(app, ["check", "uk"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "LED-005" in result.stdout


def test_check_refuses_a_broken_environment(environments: Path) -> None:
    path = environments / "sandbox" / "zone.yaml"
    path.write_text(path.read_text().replace("partition: aws", "partition: azure"))
    with pytest.raises(ConfigurationError, match=r"zone\.yaml:5: partition: found 'azure'"):
        CliRunner().invoke(app, ["check", "sandbox"], catch_exceptions=False)


def test_schema_writes_one_file_a_model(tmp_path: Path) -> None:
    CliRunner().invoke(app, ["schema", "--to", str(tmp_path)], catch_exceptions=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "consortium.schema.json",
        "stack.schema.json",
        "zone.schema.json",
    ]
