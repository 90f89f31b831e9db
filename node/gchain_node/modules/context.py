"""What an action of a module gets, gives back, and may refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.messages import ValidatorUpdate
from gchain_node.state import State

__all__ = [
    "Action",
    "Context",
    "Effect",
    "Signer",
    "choice",
    "identifier",
    "officers_only",
    "optional",
    "refuse",
    "required",
    "sealed",
]

T = TypeVar("T")
_IDENTIFIER = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")


class Signer:
    """Whose key signed: a member itself, or one of its officers."""

    __slots__ = ("kid", "member", "name", "officer")

    def __init__(self, member: str, officer: str | None, kid: bytes) -> None:
        self.member: Final = member
        self.officer: Final = officer
        self.kid: Final = kid
        self.name: Final = member if officer is None else f"{member}/{officer}"


class Context:
    """One transaction's surroundings. `validator_updates` collects what the engine must be told."""

    __slots__ = ("chain_id", "height", "signer", "state", "time_ns", "validator_updates")

    def __init__(self, state: State, chain_id: str, height: int, time_ns: int, signer: Signer) -> None:
        self.state: Final = state
        self.chain_id: Final = chain_id
        self.height: Final = height
        self.time_ns: Final = time_ns
        self.signer: Final = signer
        self.validator_updates: Final[list[ValidatorUpdate]] = []


class Effect:
    """`data` is provable and is what a receipt shows; `attributes` are for indexes and live events alone."""

    __slots__ = ("attributes", "data")

    def __init__(self, data: dict[str, Any], attributes: Mapping[str, str] = MappingProxyType({})) -> None:
        self.data: Final = data
        self.attributes: Final = attributes


Action = Callable[[Context, dict[str, Any]], Effect]
"""MUST NOT change its arguments: the decoded transaction is kept for the next time. Raises `TransactionError`."""


def refuse(code: Code, message: str) -> TransactionError:
    return TransactionError(code, message)


def required(args: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """The argument `name`, which must be there and exactly of `kind`. Raises `TransactionError`."""
    if name not in args:
        raise TransactionError(Code.BAD_ARGUMENTS, f"argument {name} is missing")
    value = args[name]
    if type(value) is not kind:
        raise TransactionError(
            Code.BAD_ARGUMENTS, f"argument {name} is of kind {type(value).__name__}, {kind.__name__} expected"
        )
    return value


def optional(args: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    return required(args, name, kind) if name in args else None


def identifier(args: Mapping[str, Any], name: str) -> str:
    """A name in lower-case letters, digits, dot, dash and underscore: too plain to carry a person's details."""
    value = required(args, name, str)
    if not _IDENTIFIER.fullmatch(value):
        raise TransactionError(
            Code.BAD_ARGUMENTS,
            f"argument {name} is {value[:60]!r}; 1 to 128 of a-z 0-9 . _ - expected, first and last one of a-z 0-9",
        )
    return value


def choice(args: Mapping[str, Any], name: str, values: tuple[str, ...]) -> str:
    value = required(args, name, str)
    if value not in values:
        raise TransactionError(
            Code.BAD_ARGUMENTS, f"argument {name} is {value[:60]!r}; one of {', '.join(values)} expected"
        )
    return value


def sealed(args: Mapping[str, Any], *names: str) -> None:
    """Refuse arguments that the action does not know."""
    for name in args:
        if name not in names:
            first = min(set(args) - set(names))
            raise TransactionError(
                Code.BAD_ARGUMENTS, f"unknown argument {first[:60]!r}; known: {', '.join(names) or 'none'}"
            )


def officers_only(context: Context) -> None:
    """Refuse what the member's own key signed: this is a person's decision."""
    if context.signer.officer is None:
        raise TransactionError(Code.NOT_AUTHORISED, "this needs an officer's signature; this is the member's key")
