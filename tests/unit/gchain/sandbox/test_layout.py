from __future__ import annotations

import os
from pathlib import Path

import pytest

from gchain import environment
from gchain.errors import SandboxError
from gchain.sandbox.layout import Layout, Plan, process_alive, read_json


def test_a_plan_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    plan = Plan.of_environment("t", 3, environment.load("sandbox"))
    plan.write(tmp_path / "sandbox.json")
    assert Plan.read(tmp_path / "sandbox.json") == plan


def test_a_plan_knows_the_members_mirrors_and_other_accounts_of_its_environment() -> None:
    loaded = environment.load("sandbox")
    plan = Plan.of_environment("t", 3, loaded)
    assert [member.name for member in plan.members] == [member.name for member in loaded.consortium.members]
    assert set(plan.mirrors) == {mirror.name for mirror in loaded.zone.mirrors}
    assert not {member.account for member in plan.members} & set(plan.accounts.values())


def test_no_sandbox_is_an_error_that_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="no sandbox") as caught:
        Plan.read(tmp_path / "sandbox.json")
    assert caught.value.remedy


def test_names_follow_from_name_and_slot() -> None:
    layout = Layout("t", 3)
    assert (layout.cloud_port, layout.status_port, layout.router) == (41300, 41301, "gc-t-router")


def test_a_file_that_a_crash_cut_off_reads_as_empty(tmp_path: Path) -> None:
    (tmp_path / "cut").write_text('{"pid": 1')
    assert read_json(tmp_path / "cut") == {}
    assert read_json(tmp_path / "missing") == {}


def test_a_living_process_is_told_from_a_missing_one() -> None:
    assert process_alive(os.getpid())
    assert not process_alive(2**22 - 3)
