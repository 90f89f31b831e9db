"""Records: salted commitments to documents that stay with the agency.

The ledger holds SHA-256(salt || document) and who committed it when, never the document or the salt: once the agency
deletes both, what is left says nothing about anyone. Ids are chosen by the committing agency and must not be derived
from a person's data.

    records/<id>  {id, owner, commitment, version, height, schema, superseded: [{commitment, height}]}
"""

from __future__ import annotations

import hashlib
from typing import Any

from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.modules.context import Action, Context, Effect, identifier, optional, required, sealed

__all__ = ["ACTIONS", "MAX_SUPERSEDED", "commitment"]

MAX_SUPERSEDED = 64
_MIN_SALT = 16


def commitment(salt: bytes, document: bytes) -> bytes:
    """What goes on the ledger for a document. The salt (16 bytes or more, random, one a document) stays off it.

    Raises:
        ValueError: the salt is too short to hide the document.
    """
    if len(salt) < _MIN_SALT:
        raise ValueError(f"the salt has {len(salt)} bytes; at least {_MIN_SALT} are needed")
    return hashlib.sha256(salt + document).digest()


def _commitment(args: dict[str, Any]) -> bytes:
    value = required(args, "commitment", bytes)
    if len(value) != 32:
        raise TransactionError(Code.BAD_ARGUMENTS, f"argument commitment has {len(value)} bytes; a SHA-256 has 32")
    return value


def _commit(context: Context, args: dict[str, Any]) -> Effect:
    """{id, commitment, schema?}: a new record."""
    sealed(args, "id", "commitment", "schema")
    name, digest = identifier(args, "id"), _commitment(args)
    schema = identifier(args, "schema") if "schema" in args else None
    path = f"records/{name}"
    if context.state.has(path):
        raise TransactionError(Code.ALREADY_EXISTS, f"record {name} exists; supersede it instead")
    record = {
        "id": name,
        "owner": context.signer.member,
        "commitment": digest,
        "version": 1,
        "height": context.height,
        "schema": schema,
        "superseded": [],
    }
    context.state.put(path, record)
    return _effect(name, digest, 1, context)


def _supersede(context: Context, args: dict[str, Any]) -> Effect:
    """{id, commitment, version?}: a new commitment in place of the current one, which stays readable.

    With `version` the record must be at that version, so that two writers cannot overwrite each other unseen.
    """
    sealed(args, "id", "commitment", "version")
    name, digest = identifier(args, "id"), _commitment(args)
    path = f"records/{name}"
    record = context.state.get(path)
    if record is None:
        raise TransactionError(Code.NOT_FOUND, f"there is no record {name}")
    if record["owner"] != context.signer.member:
        raise TransactionError(Code.NOT_AUTHORISED, f"record {name} belongs to {record['owner']}")
    expected = optional(args, "version", int)
    if expected is not None and expected != record["version"]:
        raise TransactionError(Code.CONFLICT, f"record {name} is at version {record['version']}, not {expected}")
    earlier = {"commitment": record["commitment"], "height": record["height"]}
    record["superseded"] = [*record["superseded"], earlier][-MAX_SUPERSEDED:]
    record |= {"commitment": digest, "version": record["version"] + 1, "height": context.height}
    context.state.put(path, record)
    return _effect(name, digest, record["version"], context)


def _effect(name: str, digest: bytes, version: int, context: Context) -> Effect:
    data = {
        "record": name,
        "commitment": digest,
        "version": version,
        "owner": context.signer.member,
        "height": context.height,
        "time_ns": context.time_ns,
    }
    return Effect(data, {"id": name, "owner": context.signer.member})


ACTIONS: dict[str, Action] = {"commit": _commit, "supersede": _supersede}
