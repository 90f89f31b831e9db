"""`host_files` writes what differs and nothing else; a file that its program refuses leaves the old one."""

from __future__ import annotations

import grp
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

from gchain.workspace import REPOSITORY

MODULE = REPOSITORY / "playbooks" / "library" / "host_files.py"


def _run(*files: dict[str, Any], check: bool = False) -> dict[str, Any]:
    me, mine = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    entries = [{"owner": me, "group": mine} | entry for entry in files]
    arguments = {"ANSIBLE_MODULE_ARGS": {"files": entries, "_ansible_check_mode": check}}
    done = subprocess.run(
        [sys.executable, str(MODULE)], input=json.dumps(arguments), capture_output=True, text=True, check=False
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    wanted = [
        {"path": str(tmp_path / "directory"), "state": "directory", "mode": "0750"},
        {"path": str(tmp_path / "directory" / "file"), "content": "one\n", "mode": "0600"},
        {"path": str(tmp_path / "link"), "state": "link", "target": "directory/file"},
        {"path": str(tmp_path / "gone"), "state": "absent"},
    ]
    (tmp_path / "gone").write_text("old")
    assert _run(*wanted)["changed_paths"] == [entry["path"] for entry in wanted]
    assert (tmp_path / "link").read_text() == "one\n"
    assert (tmp_path / "directory" / "file").stat().st_mode & 0o777 == 0o600
    assert _run(*wanted)["changed_paths"] == []


def test_only_the_file_that_differs_is_written(tmp_path: Path) -> None:
    one, two = ({"path": str(tmp_path / name), "content": name} for name in ("one", "two"))
    _run(one, two)
    untouched = (tmp_path / "one").stat().st_ino
    assert _run(one, two | {"content": "2"})["changed_paths"] == [two["path"]]
    assert (tmp_path / "one").stat().st_ino == untouched


def test_a_file_that_its_program_refuses_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "settings"
    path.write_text("good")
    check = "/bin/grep --quiet good %s"
    refused = _run({"path": str(path), "content": "bad", "validate": check})
    assert refused["failed"]
    assert f"{path}: the new file was refused by /bin/grep, the old one is kept" in refused["msg"]
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]
    assert _run({"path": str(path), "content": "still good", "validate": check})["changed"]


def test_check_mode_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert _run({"path": str(path), "content": "x"}, check=True)["changed_paths"] == [str(path)]
    assert not path.exists()


def test_an_unknown_owner_is_named(tmp_path: Path) -> None:
    refused = _run({"path": str(tmp_path / "file"), "content": "x", "owner": "nobody-of-this-name"})
    assert "no user 'nobody-of-this-name'" in refused["msg"]
    assert not (tmp_path / "file").exists()
