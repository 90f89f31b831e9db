"""Every command that a document gives is one that there is, with the options that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from typing import Any

import pytest
import typer.main

from gchain import cli
from gchain.workspace import REPOSITORY
from gchain_node import cli as node_cli
from gchain_node.command_tree import compose

PROGRAMS: dict[str, Any] = {"gchain": cli, "gchain-node": node_cli}
DOCUMENTS = sorted(
    str(path.relative_to(REPOSITORY))
    for pattern in ("*.md", "docs/**/*.md", "roles/*/README.md")
    for path in REPOSITORY.glob(pattern)
    if re.search(r"gchain(-node)? [a-z]", path.read_text())
)
_COMMAND = r"gchain(?:-node)? [a-z]"
_BRACKETS = re.compile(r"[][]")


def commands(text: str) -> Iterator[str]:
    """Commands of indented and fenced blocks, without their comments, and of inline code."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    joined = re.sub(r"\n    (?= +--)", " ", joined)
    blocks = re.findall(rf"^ {{4,}}({_COMMAND}.*)$", joined, re.MULTILINE)
    for fenced in re.findall(r"^```\w*\n(.*?)^```", joined, re.MULTILINE | re.DOTALL):
        blocks += re.findall(rf"^({_COMMAND}.*)$", fenced, re.MULTILINE)
    for line in blocks:
        yield from (each for each in re.split(r"\s{3,}|  #", line) if re.match(_COMMAND, each))
    for line in re.findall(rf"`({_COMMAND}[^`]*)`", joined):
        yield " ".join(line.split())


def readings(line: str) -> Iterator[list[str]]:
    """The words of a command line, once for each of the alternatives in `keys list|public`."""
    words = shlex.split(_BRACKETS.sub("", re.split(r" (?:\||\.{3})(?: |$)", line)[0]))
    yield from map(list, product(*(word.split("|") if re.fullmatch(r"[a-z|-]+", word) else [word] for word in words)))


def fault(line: str) -> str:
    """What of a command line the program does not have; empty if it has all of it."""
    return next((wrong for words in readings(line) if (wrong := _fault(words))), "")


def _fault(words: list[str]) -> str:
    program = PROGRAMS[words.pop(0)]
    if words[0] not in program._COMMANDS:
        return f"no command {words[0]}"
    command: Any = typer.main.get_command(compose(program._COMMANDS, program._root, words))
    while hasattr(command, "commands") and words:
        name = words.pop(0)
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("-") and word.partition("=")[0] not in known]
    return f"no option {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_and_option_in_the_document_exists(name: str) -> None:
    found = list(commands((REPOSITORY / name).read_text()))
    assert {line: wrong for line in found if (wrong := fault(line))} == {}


@pytest.mark.parametrize(
    ("name", "least"),
    [("docs/officers.md", 9), ("docs/policies.md", 9), ("docs/interfaces.md", 16), ("docs/keys.md", 9)],
)
def test_commands_of_the_document_are_found(name: str, least: int) -> None:
    assert len(list(commands((REPOSITORY / name).read_text()))) >= least


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("gchain report sing", "no command sing"),
        ("gchain report verify --offline", "no option --offline"),
        ("gchain-node keys list|publish --uri URI", "no command publish"),
        ("gchain-node keys prove --uri URI [--jsn]", "no option --jsn"),
        ("gchain-node keys list|public --uri URI [--json]", ""),
    ],
)
def test_a_command_that_is_not_there_is_noticed(line: str, wrong: str) -> None:
    assert fault(line) == wrong


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_a_commands_line_in_the_help_names_exists(program: str) -> None:
    named = {
        f"{program} {command} {name}"
        for command, (target, told) in PROGRAMS[program]._COMMANDS.items()
        if isinstance(getattr(import_module(target.partition(":")[0]), target.partition(":")[2]), typer.Typer)
        for name in filter(None, told.partition(": ")[2].split(", "))
    }
    assert len(named) > 15
    assert {line: wrong for line in sorted(named) if (wrong := fault(line))} == {}
