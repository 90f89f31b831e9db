"""Signed notes (C2SP signed-note, v1.0.0): a text, and lines of signatures under it.

    <text ending in a newline>
    <empty line>
    — <key name> <base64(key id || signature)>

Kinds of key that are read: Ed25519 (type 1), ECDSA with SHA-256 (type 2, as Sigstore's Rekor writes it: DER signature,
key id from the SubjectPublicKeyInfo), and Ed25519 witness cosignatures (type 4, cosignature/v1). Signatures of other
keys are passed over, as the specification demands; a wrong signature of a known key condemns the whole note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from gchain_node.errors import VerificationError

__all__ = ["COSIGNATURE", "ECDSA", "ED25519", "Note", "NoteSignature", "Verified", "VerifierKey", "is_key_name"]

ED25519, ECDSA, COSIGNATURE = 0x01, 0x02, 0x04
MAX_NOTE_BYTES: Final = 1_000_000
_MAX_SIGNATURES: Final = 100
_LINE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


def is_key_name(name: str) -> bool:
    """Not empty, and without spaces or plus signs."""
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name. `public_key` is 32 bytes of Ed25519, or a DER SubjectPublicKeyInfo of P-256."""

    name: str
    kind: int
    public_key: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read `<name>+<key id in hex>+<base64(type || public key)>`. Raises `VerificationError`."""
        parts = text.split("+", 2)
        if len(parts) != 3 or not is_key_name(parts[0]) or not re.fullmatch(r"[0-9a-f]{8}", parts[1]):
            raise VerificationError(f"{text[:80]!r} is no verifier key: expected <name>+<8 hex digits>+<base64>")
        raw = _base64(parts[2])
        if len(raw) < 2:
            raise VerificationError(f"the verifier key of {parts[0]} is empty")
        key = cls(parts[0], raw[0], raw[1:])
        key._load()
        if key.id.hex() != parts[1]:
            raise VerificationError(f"the verifier key of {parts[0]} has id {key.id.hex()}, not {parts[1]}")
        return key

    @classmethod
    def of_p256(cls, name: str, public_key: ec.EllipticCurvePublicKey) -> VerifierKey:
        return cls(name, ECDSA, public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        head = b"" if self.kind == ECDSA else self.name.encode() + b"\n" + bytes([self.kind])
        return hashlib.sha256(head + self.public_key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public_key).decode()}"

    def verify(self, text: str, signature: bytes) -> int | None:
        """Check what follows the key id in a signature line. Raises `VerificationError`; a cosignature's time, or None.

        The time is in seconds since 1970.
        """
        key, message, time = self._load(), text.encode(), None
        if self.kind == COSIGNATURE:
            if len(signature) != 72:
                raise VerificationError(f"the cosignature of {self.name} has {len(signature)} bytes; it must have 72")
            time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
            message = f"cosignature/v1\ntime {time}\n".encode() + message
        try:
            if isinstance(key, Ed25519PublicKey):
                key.verify(signature, message)
            else:
                key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise VerificationError(f"the signature of {self.name} on the note does not verify") from None
        return time

    def _load(self) -> Ed25519PublicKey | ec.EllipticCurvePublicKey:
        try:
            if self.kind in (ED25519, COSIGNATURE):
                return Ed25519PublicKey.from_public_bytes(self.public_key)
            if self.kind == ECDSA:
                key = load_der_public_key(self.public_key)
                if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
                    return key
        except ValueError:
            pass
        raise VerificationError(f"the key of {self.name} (type {self.kind}) is none that this program reads")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """`raw` is what follows the four bytes of the key's id."""

    name: str
    key_id: bytes
    raw: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.raw).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """Read a line without its newline. Raises `VerificationError`."""
        match = _LINE.fullmatch(line)
        raw = _base64(match[2]) if match else b""
        if match is None or len(raw) < 5 or not is_key_name(match[1]):
            raise VerificationError(f"{line[:80]!r} is no signature line of a note")
        return cls(match[1], raw[:4], raw[4:])


@dataclass(frozen=True, slots=True)
class Verified:
    """A key whose signature on a note holds; `time` (seconds since 1970) of a cosignature, else None."""

    key: VerifierKey
    time: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """`text` ends in a newline."""

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, raw: bytes | str) -> Note:
        """Raises `VerificationError`; no signature is looked at."""
        data = raw.encode() if isinstance(raw, str) else raw
        if len(data) > MAX_NOTE_BYTES:
            raise VerificationError(f"the note has {len(data)} bytes; at most {MAX_NOTE_BYTES} are read")
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise VerificationError("the note is not UTF-8") from None
        if any(ord(c) < 0x20 and c != "\n" for c in whole):
            raise VerificationError("the note holds control characters")
        text, found, lines = whole.rpartition("\n\n")
        if not found or not lines.endswith("\n"):
            raise VerificationError("the note has no signatures: expected an empty line and lines that start with —")
        signatures = tuple(NoteSignature.parse(line) for line in lines[:-1].split("\n"))
        if len(signatures) > _MAX_SIGNATURES:
            raise VerificationError(f"the note has {len(signatures)} signatures; at most {_MAX_SIGNATURES} are read")
        return cls(text + "\n", signatures)

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def verify(self, keys: Iterable[VerifierKey]) -> list[Verified]:
        """The keys of `keys` that signed, at least one.

        Raises:
            VerificationError: none signed, or a signature that names one of them does not verify.
        """
        known: dict[tuple[str, bytes], VerifierKey] = {}
        for key in keys:
            if known.setdefault((key.name, key.id), key) != key:
                raise VerificationError(f"two keys are named {key.name} and have the id {key.id.hex()}")
        verified: dict[tuple[str, bytes], Verified] = {}
        for signature in self.signatures:
            place = signature.name, signature.key_id
            if place in known and place not in verified:
                verified[place] = Verified(known[place], known[place].verify(self.text, signature.raw))
        if not verified:
            raise VerificationError("no known key signed the note")
        return list(verified.values())


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise VerificationError(f"{text[:80]!r} is not base64") from None
