"""An officer's own key: made and used on the officer's machine, never on a ledger host.

A store is a directory of the officer's: a SoftHSM store with one token for each officer named in it, the PIN files
(0600), the key's URI (`<name>.uri`, which names a smart card's or HSM's key just as well) and the public file
(`<name>.json`). Tokens are used in a child process (`keys/worker.py`), so one process may work with the stores of
several members.
"""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import rfc8785

from gchain_node.errors import ConfigurationError, KeyAccessError, VerificationError
from gchain_node.keys import Key, encode_public_key, load_public_key, open_key
from gchain_node.keys.possession import prove, verify_possession
from gchain_node.keys.softhsm import SoftHsmStore
from gchain_node.keys.uri import DEFAULT_MODULE, Pkcs11Uri
from gchain_node.tx import sign_sign1

__all__ = [
    "approve",
    "describe_subject",
    "destroy_key",
    "init_officer",
    "key_label",
    "make_key",
    "open_officer",
    "read_subject",
    "use_key",
    "verify_public_file",
]

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,22}[a-z0-9])?")  # a token's label has room for 32 bytes


def init_officer(
    store: Path, name: str, *, member: str, consortium: str, module: str = DEFAULT_MODULE
) -> dict[str, Any]:
    """Make the officer's token, PIN and P-256 key, or use what is there; write and return the public file.

    The public file is `{name, member, consortium, public_key, pop}`. Raises `KeyAccessError`, `ConfigurationError`.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"officer name {name!r}: lower-case letters, digits and '-', at most 24, expected")
    uri = _key_uri(store, name, module)
    if not (store / f"{name}.uri").exists():
        _make_key(store, name, uri)
        _write(store / f"{name}.uri", str(uri) + "\n")
    key = open_officer(store, name)
    pop = prove(key, consortium=consortium, member=member, purpose=f"officer/{name}")
    public = {"name": name, "member": member, "consortium": consortium, "public_key": encode_public_key(key.public_key)}
    key.close()
    path = store / f"{name}.json"
    present = _read_public(path)
    if present is not None and {key: present.get(key) for key in public} == public:
        return present
    document = public | {"pop": pop}
    _write(path, json.dumps(document, indent=2, sort_keys=True) + "\n")
    return document


def open_officer(store: Path, name: str) -> Key:
    """The officer's key, ready to sign. Close it when done. Raises `KeyAccessError` if the store has no such
    officer.
    """
    path = store / f"{name}.uri"
    try:
        uri = path.read_text().strip()
    except OSError as error:
        there = ", ".join(sorted(item.stem for item in store.glob("*.uri"))) or "none"
        raise KeyAccessError(
            f"officer store {store} has no officer {name!r} ({error.strerror}); officers there: {there}",
            remedy="make the key with `gchain-node officer init`",
        ) from error
    return open_key(uri)


def key_label(store: Path, name: str) -> str:
    """The label of the officer's key in its token; the officer's name where the store has no such officer yet."""
    return _current(store, name).object or name


def make_key(store: Path, name: str, label: str, *, member: str, consortium: str, lost: bool = False) -> dict[str, Any]:
    """Make another P-256 key of the officer beside the one in use, or take the one that has the label.

    With `lost` a SoftHSM token that is gone is made anew. Returns `{public_key, pop, attributes}`: what registers the
    key, and the evidence that it cannot leave its token. Raises `KeyAccessError`.
    """
    uri = dataclasses.replace(_current(store, name), object=label, id=None)
    if lost and uri.softhsm2_conf is not None:
        store.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_token(store, name, uri)
    attributes: dict[str, Any] = json.loads(
        _run(["generate", "--uri", str(uri), "--type", "p256", *_in(uri), "--json"])
    )
    key = open_key(str(uri))
    pop = prove(key, consortium=consortium, member=member, purpose=f"officer/{name}")
    key.close()
    return {"public_key": attributes["public_key"], "pop": pop, "attributes": attributes}


def use_key(store: Path, name: str, label: str, *, member: str, consortium: str) -> dict[str, Any]:
    """Sign with the key of that label from now on; returns the new public file (see `init_officer`)."""
    _write(store / f"{name}.uri", f"{dataclasses.replace(_current(store, name), object=label, id=None)}\n")
    return init_officer(store, name, member=member, consortium=consortium)


def destroy_key(store: Path, name: str, label: str, public_key: str) -> dict[str, Any]:
    """Destroy a replaced key of the officer; one that is gone already is no error.

    Returns `{destroyed, label, public_key, remaining}`. Raises `KeyAccessError` if it is the key in use, or if the
    label is another key's.
    """
    current = _current(store, name)
    if current.object == label:
        raise KeyAccessError(f"officer {name} signs with {label}: it stays", remedy="replace it first")
    uri = dataclasses.replace(current, object=label, id=None)
    report: dict[str, Any] = json.loads(
        _run(["destroy", "--uri", str(uri), "--public-key", public_key, *_in(uri), "--json"])
    )
    return report


def verify_public_file(document: dict[str, Any]) -> None:
    """Check the proof of possession in an officer's public file. Raises `VerificationError`."""
    try:
        name, member, consortium = (str(document[field]) for field in ("name", "member", "consortium"))
        key, pop = load_public_key(str(document["public_key"])), str(document["pop"])
    except (KeyError, TypeError) as error:
        raise VerificationError(f"not an officer's public file: {error} is missing") from error
    verify_possession(key, pop, consortium=consortium, member=member, purpose=f"officer/{name}")


def read_subject(path: Path) -> bytes:
    """A subject document's bytes, checked to be RFC 8785 canonical JSON with a `kind`: what was read is what is
    signed.
    """
    try:
        raw = path.read_bytes()
        subject = json.loads(raw)
        canonical = rfc8785.dumps(subject)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except (ValueError, rfc8785.CanonicalizationError) as error:
        raise VerificationError(f"{path}: not JSON: {error}") from error
    if raw != canonical or not isinstance(subject, dict) or "kind" not in subject:
        raise VerificationError(
            f"{path}: not a subject document in canonical JSON (RFC 8785)", remedy="use the file as it was made"
        )
    return raw


def describe_subject(subject: bytes) -> str:
    """The subject for a person to read before signing: one `name: value` a line, the kind first."""
    document = json.loads(subject)
    lines = [f"approve: {document.pop('kind')}"]
    return "\n".join(lines + [f"  {name}: {value}" for name, value in sorted(document.items())])


def approve(subject: bytes, key: Key) -> bytes:
    """The officer's approval: a COSE_Sign1 whose payload is the subject's bytes."""
    return sign_sign1(subject, key)


def _key_uri(store: Path, name: str, module: str) -> Pkcs11Uri:
    return Pkcs11Uri(
        token=f"officer-{name}",
        object=name,
        type="private",
        module_path=module,
        pin_source=(store / f"{name}.pin").absolute(),
        softhsm2_conf=SoftHsmStore(store.absolute()).configuration,
    )


def _current(store: Path, name: str) -> Pkcs11Uri:
    path = store / f"{name}.uri"
    return Pkcs11Uri.parse(path.read_text().strip()) if path.exists() else _key_uri(store, name, DEFAULT_MODULE)


def _make_key(store: Path, name: str, uri: Pkcs11Uri) -> None:
    """Token and key, through the CLI in processes of their own, since each store needs its own environment."""
    _make_token(store, name, uri)
    _run(["generate", "--uri", str(uri), "--type", "p256", *_in(uri)])


def _make_token(store: Path, name: str, uri: Pkcs11Uri) -> None:
    token = ["token-init", "--label", str(uri.token), "--module", uri.module_path]
    pins = ["--pin-file", str(uri.pin_source), "--so-pin-file", str((store / f"{name}.so-pin").absolute())]
    _run([*token, *pins, *_in(uri)])


def _in(uri: Pkcs11Uri) -> list[str]:
    """The store's option; none for a smart card or an HSM."""
    return [] if uri.softhsm2_conf is None else ["--store", str(uri.softhsm2_conf.parent)]


def _run(arguments: list[str]) -> str:
    command = [sys.executable, "-m", "gchain_node.keys", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise KeyAccessError(f"keys {arguments[0]} failed: {result.stderr.strip()}")
    return result.stdout


def _read_public(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text())
        verify_public_file(document)
    except (OSError, ValueError, VerificationError):
        return None
    return dict(document)


def _write(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)
