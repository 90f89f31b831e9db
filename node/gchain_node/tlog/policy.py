"""Witness policies (C2SP tlog-policy): which witnesses there are, where they are, and how many of them are enough.

log <verifier key> [<address>]        witness <name> <verifier key> [<address>]
group <name> <all|any|number> <witness or group>...        quorum <name|none>
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gchain_node.errors import VerificationError
from gchain_node.tlog.note import VerifierKey

__all__ = ["Group", "Policy", "Witness"]


@dataclass(frozen=True, slots=True)
class Witness:
    key: VerifierKey
    url: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """`threshold` of `members`, which are names of witnesses and groups."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """`quorum` None: none is demanded."""

    logs: tuple[VerifierKey, ...] = ()
    witnesses: Mapping[str, Witness] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str | None = None

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Raises `VerificationError`."""
        reader = _Reader()
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split("#")[0].split()
            if words:
                try:
                    reader.take(words)
                except (ValueError, VerificationError) as error:
                    raise VerificationError(f"line {number} of the policy: {error}") from None
        return reader.done()

    def satisfied(self, keys: Collection[VerifierKey]) -> bool:
        """Whether cosignatures of these keys are enough."""
        return self.quorum is None or self._holds(self.quorum, keys)

    def _holds(self, name: str, keys: Collection[VerifierKey]) -> bool:
        if name in self.witnesses:
            return self.witnesses[name].key in keys
        group = self.groups[name]
        return sum(self._holds(member, keys) for member in group.members) >= group.threshold


class _Reader:
    def __init__(self) -> None:
        self._logs: list[VerifierKey] = []
        self._witnesses: dict[str, Witness] = {}
        self._groups: dict[str, Group] = {}
        self._quorum: list[str] = []
        self._grouped: set[str] = set()

    def take(self, words: Sequence[str]) -> None:
        kinds = {"log": self._log, "witness": self._witness, "group": self._group, "quorum": self._set_quorum}
        if words[0] not in kinds:
            raise ValueError(f"unknown keyword {words[0]!r}; known: {', '.join(kinds)}")
        kinds[words[0]](*words[1:])

    def done(self) -> Policy:
        if len(self._quorum) != 1:
            raise VerificationError(f"the policy has {len(self._quorum)} quorum lines; it must have one")
        quorum = None if self._quorum[0] == "none" else self._quorum[0]
        return Policy(tuple(self._logs), self._witnesses, self._groups, quorum)

    def _log(self, *words: str) -> None:
        _count(words, 1, 2)
        self._logs.append(VerifierKey.parse(words[0]))

    def _witness(self, *words: str) -> None:
        _count(words, 2, 3)
        key = VerifierKey.parse(words[1])
        self._new(words[0])
        if any(key == known.key for known in self._witnesses.values()):
            raise ValueError(f"the key of witness {words[0]} is another witness', too")
        self._witnesses[words[0]] = Witness(key, words[2] if len(words) == 3 else None)

    def _group(self, *words: str) -> None:
        _count(words, 3, 1000)
        name, amount, *members = words
        self._new(name)
        for member in members:
            self._known(member)
        if len(set(members)) != len(members) or self._grouped & set(members):
            raise ValueError(f"a member of group {name} is in a group already")
        threshold = {"all": len(members), "any": 1}.get(amount) or (int(amount) if amount.isdecimal() else 0)
        if not 1 <= threshold <= len(members):
            raise ValueError(f"threshold {amount!r} of group {name}: all, any, or 1 to {len(members)} expected")
        self._grouped |= set(members)
        self._groups[name] = Group(threshold, tuple(members))

    def _set_quorum(self, *words: str) -> None:
        _count(words, 1, 1)
        if words[0] != "none":
            self._known(words[0])
        self._quorum.append(words[0])

    def _new(self, name: str) -> None:
        if name == "none" or name in self._witnesses or name in self._groups:
            raise ValueError(f"{name!r} is taken")

    def _known(self, name: str) -> None:
        if name not in self._witnesses and name not in self._groups:
            raise ValueError(f"there is no witness or group {name!r} above")


def _count(words: Sequence[str], least: int, most: int) -> None:
    if not least <= len(words) <= most:
        raise ValueError(f"{len(words)} words after the keyword")
