from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from gchain.errors import HostError
from gchain.progress import Stage, StageFailedError, StageLog, each, run_stages
from gchain.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, "sandbox", "case")


def _fails(log: StageLog) -> str:
    log.line("connecting")
    raise HostError("host a does not answer", remedy="look at its console")


def _breaks(log: StageLog) -> str:
    found: dict[str, str] = {}
    return found["missing"]


def test_stages_run_in_order_and_their_times_are_kept(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []
    stages = [Stage("one", lambda log: seen.append("one")), Stage("two", lambda log: "2 done")]
    times = run_stages(workspace, stages, resume="again")
    assert seen == ["one"]
    assert list(times) == ["one", "two"]
    assert list(json.loads((workspace.run / "stages.json").read_text())) == ["one", "two"]
    assert "2 done" in capsys.readouterr().out


def test_a_failed_stage_says_what_failed_where_its_log_is_and_how_to_resume(workspace: Workspace) -> None:
    later: list[str] = []
    stages = [Stage("first step", _fails), Stage("second", lambda log: later.append("ran"))]
    with pytest.raises(StageFailedError) as caught:
        run_stages(workspace, stages, resume="make sandbox")
    text = str(caught.value)
    assert "stage 'first step' failed: host a does not answer" in text
    assert "    connecting" in text
    assert str(workspace.log / "01-first-step.log") in text
    assert caught.value.remedy == "look at its console; then resume with: make sandbox"
    assert caught.value.exit_code == HostError.exit_code
    assert later == []


def test_an_unexpected_error_leaves_its_trace_in_the_log(workspace: Workspace) -> None:
    with pytest.raises(StageFailedError, match="KeyError"):
        run_stages(workspace, [Stage("broken", _breaks)], resume="again")
    assert "Traceback" in (workspace.log / "01-broken.log").read_text()


def test_each_works_side_by_side_and_keeps_the_order() -> None:
    barrier = threading.Barrier(2, timeout=120)

    def work(name: str) -> str:
        barrier.wait()
        return name.upper()

    assert each(["a", "b"], work) == ["A", "B"]


def test_each_raises_the_first_error_after_all_have_ended() -> None:
    ended: list[int] = []

    def work(number: int) -> None:
        if number == 0:
            raise HostError("zero")
        ended.append(number)

    with pytest.raises(HostError, match="zero"):
        each([0, 1, 2], work)
    assert sorted(ended) == [1, 2]
