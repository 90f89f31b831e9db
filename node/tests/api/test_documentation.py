"""The commands of docs/api.md do what the document says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).parents[3] / "docs" / "api.md"
COMMANDS = re.findall(r"^curl .*$", DOCUMENT.read_text(), re.MULTILINE)


def test_the_document_has_commands() -> None:
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_document_answers_json_without_an_error(served: Any, command: str) -> None:
    program, *arguments = shlex.split(command.replace("http://127.0.0.1:8080", str(served.status.base_url)))
    if shutil.which(program) is None:
        pytest.skip("curl is not installed (Debian package curl)")
    answer = subprocess.run([program, "--noproxy", "*", *arguments], capture_output=True, check=True, timeout=60)
    assert "error" not in json.loads(answer.stdout)
