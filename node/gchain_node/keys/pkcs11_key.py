"""Keys inside a PKCS#11 token (v2.40 and later): P-256 and secp256k1 by CKM_ECDSA over a SHA-256, Ed25519 by CKM_EDDSA.

Hashing happens here, so that a token needs only the bare mechanisms, which every HSM has.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pkcs11.exceptions as p11
from asn1crypto.core import OctetString
from asn1crypto.keys import ECDomainParameters
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from gchain_node.errors import KeyAccessError, VerificationError
from gchain_node.keys.key import Key
from gchain_node.keys.mechanisms import TYPE_OF_ALGORITHM, check_mechanisms
from gchain_node.keys.pin import PinSource
from gchain_node.keys.public import PublicKey, algorithm_of, low_s, verify_signature
from gchain_node.keys.session import Module, TokenConnection
from gchain_node.keys.uri import Pkcs11Uri

__all__ = ["Pkcs11Key", "describe", "find_object", "find_public", "read_public_key"]

_CLASSES = {"private": ObjectClass.PRIVATE_KEY, "public": ObjectClass.PUBLIC_KEY}
_CURVES: dict[str, type[ec.EllipticCurve]] = {"secp256r1": ec.SECP256R1, "secp256k1": ec.SECP256K1}


class Pkcs11Key(Key):
    """One private key object. The public half is read once, and every signature is checked against it before it
    leaves.
    """

    def __init__(self, uri: Pkcs11Uri, connection: TokenConnection) -> None:
        self._uri, self._connection = uri, connection
        self._handle: Any = None
        self._epoch = -1
        self._public = connection.run(self._read)

    @classmethod
    def open(cls, uri: Pkcs11Uri, pin: PinSource) -> Pkcs11Key:
        """Raises `KeyAccessError`: no module, no token, PIN refused, not exactly one key matches, or the token does not
        list the mechanism that signs with it.
        """
        return cls(uri, Module.load(uri.module_path).connection(uri, pin))

    @property
    def public_key(self) -> PublicKey:
        return self._public

    def sign(self, message: bytes) -> bytes:
        try:
            signature = self._connection.run(lambda session: self._sign(session, message))
            verify_signature(self._public, message, signature)
        except VerificationError as error:
            raise KeyAccessError(f"key {describe(self._uri)} gave a signature that does not verify") from error
        except p11.PKCS11Error as error:
            raise KeyAccessError(f"key {describe(self._uri)} does not sign: {type(error).__name__} {error}") from error
        return signature

    def _read(self, session: Any) -> PublicKey:
        private = find_object(session, self._uri, "private")
        self._handle, self._epoch = private, self._connection.epoch
        public = read_public_key(find_public(session, private))
        check_mechanisms(session.token, TYPE_OF_ALGORITHM[algorithm_of(public)], making=False)
        return public

    def _sign(self, session: Any, message: bytes) -> bytes:
        if self._epoch != self._connection.epoch:
            self._handle, self._epoch = find_object(session, self._uri, "private"), self._connection.epoch
        if isinstance(self._public, Ed25519PublicKey):
            return bytes(self._handle.sign(message, mechanism=Mechanism.EDDSA))
        raw = bytes(self._handle.sign(hashlib.sha256(message).digest(), mechanism=Mechanism.ECDSA))
        return low_s(raw, self._public.curve.name)


def describe(uri: Pkcs11Uri) -> str:
    """The words of a URI that name its object, for messages."""
    named = {"token": uri.token, "object": uri.object, "id": uri.id.hex() if uri.id else None}
    return ";".join(f"{name}={value}" for name, value in named.items() if value is not None) or "(any)"


def find_object(session: Any, uri: Pkcs11Uri, kind: str) -> Any:
    """The one private or public key that `uri` names. Raises `KeyAccessError`, naming what the token holds,
    otherwise.
    """
    if uri.type not in (None, "private"):
        raise KeyAccessError(f"the URI asks for type={uri.type}: signing needs type=private")
    wanted: dict[Attribute, Any] = {Attribute.CLASS: _CLASSES[kind]}
    wanted |= {Attribute.LABEL: uri.object} if uri.object is not None else {}
    wanted |= {Attribute.ID: uri.id} if uri.id is not None else {}
    found = list(session.get_objects(wanted))
    if len(found) == 1:
        return found[0]
    there = [f"{o.label!r} id={bytes(o.id).hex()}" for o in session.get_objects({Attribute.CLASS: _CLASSES[kind]})]
    raise KeyAccessError(
        f"{len(found)} {kind} keys match {describe(uri)}, exactly one expected; "
        f"the token holds: {', '.join(there) or 'none'}",
        remedy="name the key by object= and id= in the URI"
        if found
        else "generate the key, or correct object= in the URI",
    )


def find_public(session: Any, private: Any) -> Any:
    """The public key object beside a private one: same CKA_ID and label."""
    wanted = {Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.ID: private.id, Attribute.LABEL: private.label}
    found = list(session.get_objects(wanted))
    if len(found) != 1:
        raise KeyAccessError(
            f"{len(found)} public keys stand beside private key {private.label!r} id={bytes(private.id).hex()}, "
            "exactly one expected"
        )
    return found[0]


def read_public_key(public: Any) -> PublicKey:
    """The key of a public key object. CKA_EC_POINT is an OCTET STRING by v2.40, but some modules give the bare
    point.
    """
    point = bytes(public[Attribute.EC_POINT])
    if public.key_type == KeyType.EC_EDWARDS:
        return Ed25519PublicKey.from_public_bytes(point if len(point) == 32 else bytes(OctetString.load(point)))
    if public.key_type != KeyType.EC:
        raise KeyAccessError(
            f"key {public.label!r} is of type {public.key_type}: the ledger uses P-256, secp256k1 and Ed25519"
        )
    name = ECDomainParameters.load(bytes(public[Attribute.EC_PARAMS])).native
    if name not in _CURVES:
        raise KeyAccessError(f"key {public.label!r} is on curve {name}: the ledger uses P-256 and secp256k1")
    point = point if len(point) == 65 else bytes(OctetString.load(point))
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[str(name)](), point)
    except (ValueError, InvalidSignature) as error:
        raise KeyAccessError(f"key {public.label!r} has a public point that is not on {name}") from error
