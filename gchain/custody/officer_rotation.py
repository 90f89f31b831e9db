"""`gchain keys rotate officer`: a new key in the officer's token, on the officer's machine; no host takes part.

The ledger lets the officer's own old key register the new one, or a colleague's of the same agency where the old key is
lost. Every step is written down before the next begins, and each finds out whether it was done (see `rotation`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gchain.consortium.officers import label, make_officers, officer_key
from gchain.custody.record import KeyInUse, KeyRecord, NextKey, RetiredKey
from gchain.custody.registration import Registration
from gchain.custody.rotation import SETTLED, refuse_weak, write_evidence
from gchain.environment import Environment, Member
from gchain.errors import ConfigurationError, ConsortiumError
from gchain.workspace import Workspace
from gchain_node.keys import encode_public_key, load_public_key
from gchain_node.officer import destroy_key, key_label, make_key, use_key

__all__ = ["OfficerRotation"]


@dataclass
class OfficerRotation:
    """One officer's rotation.

    Args:
        officer: the officer's name as the ledger writes it.
        lost: the key in use is gone, or may be in other hands; `by` signs, and nothing is destroyed.
        by: the colleague whose key registers the new one.
        again: replace a key that was itself brought by a rotation less than `SETTLED` ago.
    """

    workspace: Workspace
    environment: Environment
    member: Member
    officer: str
    ledger: Registration
    progress: Callable[[str], None]
    lost: bool = False
    by: str = ""
    again: bool = False

    def run(self) -> RetiredKey:
        """Rotate, or go on with a rotation that was interrupted. Returns what is known of the replaced key.

        Raises:
            GchainError, NodeError: a step failed; the same command goes on from there.
        """
        self._check()
        record = self._begin()
        key = record.officers[self.officer]
        if key.next is None and not self._unfinished(record):
            self.progress(f"{key.object} is in use since {key.since}: nothing to do")
            return self._retired(record)[-1]
        if key.next is not None:
            self._make(record, key.next)
            self._register(key, key.next)
            self._hand_over(record, key.next)
        for leaving in self._unfinished(record):
            self._retire(record, leaving)
        self.progress("put the ledger's proof of the officers among the public files")
        self.ledger.publish()
        return self._retired(record)[-1]

    def _check(self) -> None:
        names = [label(each.name) for each in self.member.officers]
        for name in [self.officer, *([self.by] if self.by else [])]:
            if name not in names:
                raise ConfigurationError(f"{self.member.name} has no officer {name!r}", remedy=f"it has {names}")
        if self.by == self.officer:
            raise ConfigurationError("--by names a colleague, not the officer whose key is replaced")

    def _begin(self) -> KeyRecord:
        record = KeyRecord.read(self.workspace, self.member.name)
        in_use = record.officers.get(self.officer) or KeyInUse(object=key_label(self._store, self.officer))
        record.officers[self.officer] = in_use
        if self.lost and not in_use.lost:
            self._note_loss(record, in_use)
        elif in_use.next is None and not self._unfinished(record) and not self._just_ended(record):
            in_use.next = NextKey(object=self._next_object(record))
        in_use = record.officers[self.officer]
        in_use.public_key = in_use.public_key or self._registered_now()
        record.write(self.workspace, self.member.name)
        return record

    def _note_loss(self, record: KeyRecord, key: KeyInUse) -> None:
        """The token went: with it a key that was to follow, even if the ledger has that one already."""
        for leaving in self._unfinished(record):
            leaving.lost = True
        if key.next is not None and key.next.public_key and self._registered_now() == key.next.public_key:
            record.retired.append(self._replaced(key, key.next, lost=True))
            key = KeyInUse(object=key.next.object, public_key=key.next.public_key, since=_now())
            record.officers[self.officer] = key
        key.lost, key.next = True, NextKey(object=self._next_object(record))

    def _make(self, record: KeyRecord, coming: NextKey) -> None:
        if coming.public_key:
            return
        self.progress(f"make {coming.object} inside the officer's token")
        made = make_key(
            self._store,
            self.officer,
            coming.object,
            member=self.member.name,
            consortium=self.environment.consortium.name,
            lost=record.officers[self.officer].lost,
        )
        coming.public_key, coming.pop, coming.attributes = made["public_key"], made["pop"], made["attributes"]
        refuse_weak(coming)
        record.write(self.workspace, self.member.name)

    def _register(self, key: KeyInUse, coming: NextKey) -> None:
        if self._registered_now() == coming.public_key:
            return
        if key.lost and not self.by:
            raise ConsortiumError(
                f"the key of {self.officer} is lost: a colleague of {self.member.name} must sign for the new one",
                remedy="run the same command with --by COLLEAGUE (an agency should have two officers for this)",
            )
        self.progress(f"register {coming.object} on the ledger, signed by {self.by or self.officer}")
        args = {"name": self.officer, "public_key": coming.public_key, "pop": coming.pop}
        self.ledger.transact("rotate_officer_key", args, self.by or self.officer)

    def _hand_over(self, record: KeyRecord, coming: NextKey) -> None:
        """The store signs with the new key, then the record says so: a repetition finds the first done."""
        self.progress(f"sign with {coming.object}")
        use_key(
            self._store,
            self.officer,
            coming.object,
            member=self.member.name,
            consortium=self.environment.consortium.name,
        )
        make_officers(self.environment, self.workspace, self.member)
        key = record.officers[self.officer]
        record.retired.append(self._replaced(key, coming, lost=key.lost))
        record.officers[self.officer] = KeyInUse(object=coming.object, public_key=coming.public_key, since=_now())
        record.write(self.workspace, self.member.name)

    def _replaced(self, key: KeyInUse, coming: NextKey, *, lost: bool) -> RetiredKey:
        return RetiredKey(
            purpose=self._purpose,
            object=key.object,
            public_key=key.public_key,
            replaced_by=coming.public_key,
            last_height=self.ledger.height,
            at=_now(),
            lost=lost,
        )

    def _retire(self, record: KeyRecord, leaving: RetiredKey) -> None:
        report: dict[str, Any] = {"destroyed": False, "lost": True}
        if not leaving.lost:
            self.progress(f"destroy {leaving.object} in the officer's token")
            report = destroy_key(self._store, self.officer, leaving.object, leaving.public_key)
        leaving.destroyed = not leaving.lost
        in_use, height = record.officers[self.officer], self.ledger.height
        with officer_key(self.workspace, self.member, self.officer) as (_, key):
            write_evidence(self.workspace, self.member.name, leaving, in_use, report, height, key)
        record.write(self.workspace, self.member.name)

    def _retired(self, record: KeyRecord) -> list[RetiredKey]:
        return [each for each in record.retired if each.purpose == self._purpose]

    def _unfinished(self, record: KeyRecord) -> list[RetiredKey]:
        """Replaced keys that are neither destroyed nor written down as lost."""
        evidence = self.workspace.member(self.member.name).evidence / "rotations"

        def ended(key: RetiredKey) -> bool:
            return key.destroyed or (key.lost and (evidence / f"{key.object}.dsse.json").exists())

        return [each for each in self._retired(record) if not ended(each)]

    def _just_ended(self, record: KeyRecord) -> bool:
        mine = self._retired(record)
        if not mine or self.again:
            return False
        return datetime.now(UTC) - datetime.fromisoformat(mine[-1].at) < SETTLED

    def _next_object(self, record: KeyRecord) -> str:
        """No label is ever used twice, not even one that was given to a key that never came into use."""
        key = record.officers[self.officer]
        used = {each.object for each in self._retired(record)} | {key.object, key.next.object if key.next else ""}
        number = 2
        while f"{self.officer}-{number}" in used:
            number += 1
        return f"{self.officer}-{number}"

    def _registered_now(self) -> str:
        """The officer's key on the ledger, base64url DER."""
        for each in self.ledger.entry()["officers"]:
            if each["name"] == self.officer:
                return encode_public_key(load_public_key(each["public_key"]))
        raise ConsortiumError(f"the ledger knows no officer {self.officer} of {self.member.name}")

    @property
    def _purpose(self) -> str:
        return f"officer/{self.officer}"

    @property
    def _store(self) -> Path:
        return self.workspace.member(self.member.name).officer


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
