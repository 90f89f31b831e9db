"""A command whose sub-commands are loaded only when called: loading all of them takes seconds.

Shared by `gchain-node` and by `gchain`, the kit's command.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence

import typer

__all__ = ["compose"]


def compose(
    commands: Mapping[str, tuple[str, str]], root: Callable[..., None], arguments: Sequence[str]
) -> typer.Typer:
    """The command tree with the one sub-command loaded that `arguments` name.

    Args:
        commands: name -> (`module:attribute` of a `Typer` or a function, its line in the list of commands).
        root: options of the command itself; its docstring heads the help.
        arguments: what the user typed after the program's name.
    """
    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(root)
    asked_for = next((word for word in arguments if not word.startswith("-")), None)
    for name, (target, help_text) in commands.items():
        if name != asked_for:
            app.command(name, help=help_text)(_nothing)
            continue
        module, _, attribute = target.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, help=help_text)
        else:
            app.command(name)(found)
    return app


def _nothing() -> None:
    """A command that was not asked for: it only lends its name to the list of commands."""
