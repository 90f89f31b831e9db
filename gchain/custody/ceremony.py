"""A key ceremony: an agency's keys are made in its HSM in front of people, who sign for what they saw.

`hold` takes the steps one by one and asks before each; the record says what was made, where, when, in whose presence,
and what the HSM says of each key. `sign` adds a present officer's signature, on that officer's own machine; `verify`
needs the record and the contributions alone. The officers are those of any agency of the consortium: an agency with one
officer invites a colleague from another.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gchain.custody.record import TOKENS, KeyRecord, Purpose
from gchain.environment import Member
from gchain.errors import ConsortiumError
from gchain.workspace import Workspace
from gchain_node.dsse import sign_dsse, verify_dsse
from gchain_node.errors import VerificationError
from gchain_node.keys import Key, PublicKey, key_id

__all__ = ["CEREMONY_TYPE", "QUORUM", "STEPS", "Ceremony", "Record", "Step", "add_signature", "verify_ceremony"]

CEREMONY_TYPE = "application/vnd.gchain.ceremony+json"
QUORUM = 2
Step = Literal["prepare", "make", "examine"]
STEPS: dict[Step, str] = {
    "prepare": "bring the host to where keys can be made: programs, users, and the HSM's library",
    "make": "initialise the tokens with PINs that nobody sees, and make the keys inside them",
    "examine": "read what the HSM says of each key, and write it into the record",
}
_BOUND = {
    "always_sensitive": True,
    "never_extractable": True,
    "local": True,
    "sign": True,
    "extractable": False,
    "decrypt": False,
    "unwrap": False,
    "derive": False,
}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Taken(_Part):
    """A step, when it was done (UTC), and who agreed to it beforehand."""

    step: Step
    what: str
    at: str
    agreed: list[str]


class CeremonyKey(_Part):
    """A key as the HSM shows it. `made_here`: this ceremony made it; else it was there before."""

    purpose: Purpose
    object: str
    key_type: str
    public_key: str
    kid: str
    made_here: bool
    attributes: dict[str, bool]
    token: dict[str, str]


class Record(_Part):
    """What officers sign. `present`: officers as `<agency>/<officer>`; `guests` sign nothing."""

    version: Literal[1] = 1
    consortium: str
    environment: str
    member: str
    host: str = ""
    place: str = Field(min_length=1, max_length=200)
    rehearsal: bool
    quorum: int = Field(ge=1)
    present: list[str] = Field(min_length=1)
    guests: list[str] = Field(default_factory=list)
    begun: str
    ended: str = ""
    steps: list[Taken] = Field(default_factory=list)
    made: list[str] = Field(default_factory=list)
    keys: list[CeremonyKey] = Field(default_factory=list)

    def encode(self) -> bytes:
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Record:
        """Raises `VerificationError`."""
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            raise VerificationError(f"not the record of a key ceremony: {error}") from error


@dataclass
class Ceremony:
    """One agency's ceremony. An interrupted one goes on from its draft: what it made before still counts as made here.

    Args:
        agree: asks an officer, by name, to agree to a step; False ends the ceremony.
        run: takes a step on the host; `{host, created, keys, labels}`, the last by the kit's name of each token.
    """

    workspace: Workspace
    member: Member
    draft: Record
    agree: Callable[[str, str], bool]
    progress: Callable[[str], None]
    run: Callable[[Step], dict[str, Any]]

    def hold(self) -> Path:
        """Take the steps that are left; the record's path, ready to be signed.

        Raises:
            ConsortiumError: an officer did not agree, or the HSM holds other keys than the agency's record names.
            HostError: a step failed; the same command goes on.
        """
        record = self._resume()
        done = {taken.step for taken in record.steps}
        for step in STEPS:
            if step not in done:
                self._take(record, step)
        record.ended = _now()
        path = self.directory / f"{record.begun.replace(':', '')}.json"
        path.write_bytes(record.encode())
        self._draft.unlink()
        return path

    @property
    def directory(self) -> Path:
        return self.workspace.member(self.member.name).evidence / "ceremonies"

    @property
    def _draft(self) -> Path:
        return self.directory / "under-way.json"

    def _resume(self) -> Record:
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self._draft.is_file():
            self._draft.write_bytes(self.draft.encode())
            return self.draft
        record = Record.decode(self._draft.read_bytes())
        same = {name: getattr(self.draft, name) for name in ("present", "place", "rehearsal", "quorum")}
        if {name: getattr(record, name) for name in same} != same:
            raise ConsortiumError(
                f"the ceremony of {record.begun} at {record.place!r} with {', '.join(record.present)} is not over",
                remedy=f"go on with the same people and place, or remove {self._draft} and begin another",
            )
        self.progress(f"going on with the ceremony that began {record.begun}")
        return record

    def _take(self, record: Record, step: Step) -> None:
        for officer in record.present:
            if not self.agree(officer, STEPS[step]):
                raise ConsortiumError(
                    f"{officer} did not agree to this step: {STEPS[step]}", remedy="nothing of it was done"
                )
        self.progress(STEPS[step])
        found = self.run(step)
        record.host = found["host"]
        record.made += [each for each in found["created"] if each not in record.made]
        if step == "examine":
            record.keys = self._examined(found["keys"], found["labels"], record.made)
        agreed = [] if record.rehearsal else list(record.present)
        record.steps.append(Taken(step=step, what=STEPS[step], at=_now(), agreed=agreed))
        self._draft.write_bytes(record.encode())

    def _examined(
        self, rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str], made: Sequence[str]
    ) -> list[CeremonyKey]:
        names = KeyRecord.read(self.workspace, self.member.name).keys
        found = []
        for purpose, key in names.items():
            token = labels[TOKENS[purpose]]
            row = next((r for r in rows if r["label"] == key.object and r["token"]["label"] == token), None)
            if row is None:
                raise ConsortiumError(f"token {token} holds no key {key.object!r} after the ceremony made it")
            found.append(
                CeremonyKey(
                    purpose=purpose,
                    object=key.object,
                    key_type=row["key_type"],
                    public_key=row["public_key"],
                    kid=row["kid"],
                    made_here=f"key {key.object}" in made,
                    attributes={name: row[name] for name in ("sensitive", *_BOUND)},
                    token={name: str(value) for name, value in row["token"].items()},
                )
            )
        return found


def add_signature(raw: bytes, officer: str, key: Key) -> dict[str, Any]:
    """The envelope with one more signature; `raw` is the record itself, or the envelope so far.

    Raises `VerificationError`: it is neither, the ceremony did not end, or the officer was not present.
    """
    envelope = _envelope(raw)
    payload = raw if envelope is None else _payload(envelope)
    record = Record.decode(payload)
    if not record.ended:
        raise VerificationError("the ceremony has not ended", remedy="run `gchain keys ceremony hold` again")
    if officer not in record.present:
        raise VerificationError(f"{officer} was not present; there were {', '.join(record.present)}")
    if envelope is None:
        return sign_dsse(CEREMONY_TYPE, payload, key)
    if all(each["keyid"] != key.kid.hex() for each in envelope["signatures"]):
        envelope["signatures"] += sign_dsse(CEREMONY_TYPE, payload, key)["signatures"]
    return envelope


def verify_ceremony(
    raw: bytes, officers: Mapping[str, PublicKey], registered: Mapping[str, str] | None = None
) -> tuple[str, Record]:
    """What a signed record proves, in one sentence, and the record. Needs no network.

    Args:
        officers: `<agency>/<officer>` -> key, of the whole consortium.
        registered: purpose -> public key that the agency brought into genesis, to be compared; None: not compared.

    Raises:
        VerificationError: too few of those present signed, none of the agency's own did, a key could leave the HSM or
            does more than sign, or is not the one registered.
    """
    envelope = _envelope(raw)
    if envelope is None:
        raise VerificationError("nobody has signed this record", remedy="gchain keys ceremony sign, by each officer")
    keys = {key_id(key).hex(): key for key in officers.values()}
    names = {key_id(key).hex(): name for name, key in officers.items()}
    payload, signers = verify_dsse(envelope, CEREMONY_TYPE, keys)
    record = Record.decode(payload)
    signed = sorted({names[keyid] for keyid in signers} & set(record.present))
    quorum = record.quorum if record.rehearsal else max(record.quorum, QUORUM)
    if len(signed) < quorum:
        raise VerificationError(
            f"{len(signed)} of {quorum} officers who were present signed: {', '.join(signed) or '-'}"
        )
    if not any(name.startswith(f"{record.member}/") for name in signed):
        raise VerificationError(f"no officer of {record.member} signed: the keys are that agency's")
    _check_steps(record)
    for key in record.keys:
        _check_key(key, registered)
    before = [key.purpose for key in record.keys if not key.made_here]
    kind = "a REHEARSAL of a key ceremony" if record.rehearsal else "a key ceremony"
    made = len(record.keys) - len(before)
    sentence = (
        f"{', '.join(signed)} sign that in {kind} of {record.member} at {record.place}, {record.begun} to "
        f"{record.ended}, {len(record.keys)} keys were found bound to their HSM, {made} of them made there and then"
        + (f" ({', '.join(before)} existed before)" if before else "")
        + ("" if registered is None else "; they are the keys of the agency's contribution")
    )
    return sentence, record


def _check_steps(record: Record) -> None:
    if [taken.step for taken in record.steps] != list(STEPS):
        raise VerificationError("the record lacks a step, or has them in another order")
    if {key.purpose for key in record.keys} != set(TOKENS):
        raise VerificationError(f"the record must name exactly the keys {', '.join(TOKENS)}")
    for taken in record.steps:
        if not record.rehearsal and not set(record.present) <= set(taken.agreed):
            raise VerificationError(f"not all who were present agreed to the step {taken.step}")


def _check_key(key: CeremonyKey, registered: Mapping[str, str] | None) -> None:
    wrong = {name: key.attributes.get(name) for name, value in _BOUND.items() if key.attributes.get(name) != value}
    if wrong:
        raise VerificationError(f"the {key.purpose} key is not bound to its HSM, or does more than sign: {wrong}")
    if registered is not None and registered.get(key.purpose) != key.public_key:
        raise VerificationError(
            f"the {key.purpose} key of the ceremony is {key.public_key}, the agency brought "
            f"{registered.get(key.purpose)} into genesis"
        )


def _envelope(raw: bytes) -> dict[str, Any] | None:
    """The DSSE envelope that `raw` is, or None for a bare record. Raises `VerificationError` for what is no JSON."""
    try:
        document = json.loads(raw)
    except ValueError as error:
        raise VerificationError(f"not the record of a key ceremony: {error}") from error
    return document if isinstance(document, dict) and "payloadType" in document else None


def _payload(envelope: Mapping[str, Any]) -> bytes:
    if envelope.get("payloadType") != CEREMONY_TYPE:
        raise VerificationError(f"the envelope holds {envelope.get('payloadType')!r}, {CEREMONY_TYPE!r} expected")
    try:
        return base64.b64decode(envelope["payload"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise VerificationError(f"not a DSSE envelope: {error}") from error


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
