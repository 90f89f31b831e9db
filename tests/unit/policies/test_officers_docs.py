"""Every command that the officer's documents give is one that there is, with the options that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from gchain import cli
from gchain.workspace import REPOSITORY
from gchain_node.command_tree import compose

DOCUMENTS = ("officers.md", "policies.md")


def commands(text: str) -> Iterator[str]:
    """Commands of indented blocks and of inline code, each on one line, without its comment."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    joined = re.sub(r"\n    (?= +--)", " ", joined)
    for line in re.findall(r"^ {4,}(gchain .*)$", joined, re.MULTILINE):
        yield line.split("  #")[0].split("   ")[0]
    for line in re.findall(r"`(gchain[^`]*)`", joined):
        yield " ".join(line.split())


def fault(line: str) -> str:
    """What of a command line the program does not have; empty if it has all of it."""
    words = shlex.split(line)[1:]
    if words and words[0] not in cli._COMMANDS:
        return f"no command {words[0]}"
    command: Any = typer.main.get_command(compose(cli._COMMANDS, cli._root, words))
    while hasattr(command, "commands") and words:
        name = words.pop(0)
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("-") and word not in known]
    return f"no option {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_and_option_in_the_document_exists(name: str) -> None:
    found = list(commands((REPOSITORY / "docs" / name).read_text()))
    assert len(found) > 8
    assert {line: wrong for line in found if (wrong := fault(line))} == {}


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert fault("gchain report sing") == "no command sing"
    assert fault("gchain report verify --offline") == "no option --offline"
