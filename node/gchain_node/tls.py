"""The agency's TLS: an issuing key in the member token, its self-signed certificate, and 24-hour leaves that live in
memory.

The issuing certificate is registered in the member's record on the ledger. A peer is who its leaf's issuer says:
`member_of` finds the member whose registered certificate issued a leaf. Profiles follow RFC 5280: the issuing
certificate has cA and pathLenConstraint 0, a leaf has serverAuth and clientAuth (or clientAuth alone).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gchain_node.errors import ConfigurationError, KeyAccessError, VerificationError
from gchain_node.keys.key import Key

__all__ = [
    "LONGEST_LEAF",
    "Leaf",
    "issue_leaf",
    "make_authority",
    "member_of",
    "read_authorities",
    "read_authority",
    "verify_leaf",
]

LONGEST_LEAF = timedelta(hours=24)
_BACKDATE = timedelta(minutes=5)  # hosts' clocks differ a little
_AUTHORITY_LIFE = timedelta(days=1825)
_MOST_AUTHORITIES = 2  # the old one and the new one, while a member's issuing key is rotated
_BOTH = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


@dataclass(frozen=True)
class Leaf:
    """A leaf certificate and its private key (PKCS#8), both PEM. The key is a file key by design: it lives a day."""

    certificate: bytes
    private_key: bytes


class _TokenSigner(ec.EllipticCurvePrivateKey):
    """A token's key in the form that `cryptography` signs certificates with. It signs with ECDSA and SHA-256, nothing
    else.
    """

    def __init__(self, key: Key) -> None:
        public = key.public_key
        if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
            raise KeyAccessError(f"the TLS issuing key is {key.algorithm}, P-256 expected")
        self._key, self._public = key, public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    def sign(self, data: object, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        algorithm = signature_algorithm.algorithm
        if not isinstance(algorithm, HashAlgorithm) or algorithm.name != "sha256":
            raise KeyAccessError(f"a token's key signs with SHA-256, {algorithm} was asked")
        raw = self._key.sign(bytes(data))  # type: ignore[call-overload]  # any buffer
        return utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        raise KeyAccessError("a key in a token is for signing only")

    def private_numbers(self) -> NoReturn:
        raise KeyAccessError("a key in a token cannot be read")

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        raise KeyAccessError("a key in a token cannot be read")

    def __copy__(self) -> _TokenSigner:
        return self

    def __deepcopy__(self, memo: object) -> _TokenSigner:
        return self


def make_authority(key: Key, *, member: str, now: datetime) -> bytes:
    """The issuing certificate of `key` (P-256), self-signed, valid for five years from `now` (UTC); PEM."""
    signer = _TokenSigner(key)
    name = _authority_name(member)
    usage = _key_usage(key_cert_sign=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(signer.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(signer, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)


def read_authority(pem: str | bytes, member: str) -> x509.Certificate:
    """A member's issuing certificate, checked but for its dates: exactly one, P-256, self-signed, named after the
    member.

    Raises `VerificationError`.
    """
    certificates = read_authorities(pem, member)
    if len(certificates) != 1:
        raise VerificationError(f"{len(certificates)} certificates where one is expected")
    return certificates[0]


def read_authorities(pem: str | bytes, member: str) -> list[x509.Certificate]:
    """As `read_authority`, for a member whose issuing key may be in rotation: one certificate, or two.

    Raises `VerificationError`.
    """
    raw = pem.encode() if isinstance(pem, str) else pem
    try:
        certificates = x509.load_pem_x509_certificates(raw)
    except ValueError as error:
        raise VerificationError(f"not a PEM certificate: {error}") from error
    if not 1 <= len(certificates) <= _MOST_AUTHORITIES:
        raise VerificationError(f"{len(certificates)} certificates where one is expected, or two in a rotation")
    for certificate in certificates:
        _check_authority(certificate, member)
    return certificates


def _check_authority(certificate: x509.Certificate, member: str) -> None:
    public = certificate.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != "secp256r1":
        raise VerificationError("the key is not on P-256")
    if certificate.subject != _authority_name(member):
        raise VerificationError(f"it is for {certificate.subject.rfc4514_string()!r}, not for {member!r}")
    _verify_issued(certificate, certificate)
    _check_authority_extensions(certificate)


def _check_authority_extensions(certificate: x509.Certificate) -> None:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as error:
        raise VerificationError(f"it has no {error.oid._name}") from error
    if not constraints.ca or constraints.path_length != 0 or not usage.key_cert_sign:
        raise VerificationError("it is not an issuing certificate with path length 0")


def issue_leaf(
    key: Key,
    authority: x509.Certificate,
    *,
    hostname: str,
    addresses: Sequence[str],
    hours: float,
    now: datetime,
    client: bool = False,
) -> Leaf:
    """A new key and its leaf for `hostname` and IP `addresses`, valid for `hours` (24 at most) from `now` (UTC).

    `authority` must be the issuing certificate of `key`. Raises `ConfigurationError`, `KeyAccessError`.
    """
    life = timedelta(hours=hours)
    if not timedelta(0) < life <= LONGEST_LEAF:
        raise ConfigurationError(f"a leaf lives {hours} hours: more than 0, at most 24 expected")
    signer = _TokenSigner(key)
    if authority.public_key() != signer.public_key():
        raise KeyAccessError(
            "the issuing certificate is not that of the token's TLS key", remedy="make it with `tls ca`"
        )
    private = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])]))
        .issuer_name(authority.subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - _BACKDATE, authority.not_valid_before_utc))
        .not_valid_after(min(now + life, authority.not_valid_after_utc))
    )
    for extension, critical in _leaf_extensions(private.public_key(), signer.public_key(), hostname, addresses, client):
        builder = builder.add_extension(extension, critical=critical)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Leaf(builder.sign(signer, SHA256()).public_bytes(Encoding.PEM), pem)


def _leaf_extensions(
    public: ec.EllipticCurvePublicKey,
    issuer: ec.EllipticCurvePublicKey,
    hostname: str,
    addresses: Sequence[str],
    client: bool,
) -> list[tuple[x509.ExtensionType, bool]]:
    try:
        names: list[x509.GeneralName] = [x509.DNSName(hostname)]
        names += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    except ValueError as error:
        raise ConfigurationError(f"a leaf's name: {error}") from error
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_key_usage(digital_signature=True), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH] if client else _BOTH), False),
        (x509.SubjectAlternativeName(names), False),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), False),
    ]


def verify_leaf(leaf: x509.Certificate, authority: x509.Certificate, *, now: datetime, server: bool = False) -> None:
    """Raises `VerificationError` unless `authority` issued `leaf`, both are valid at `now` (UTC), and the leaf is one.

    A leaf is no CA, lives for a day at most and may be used by a client, or with `server` by a server. Names are the
    caller's to check (TLS does it for servers).
    """
    _verify_issued(leaf, authority)
    for what, certificate in (("leaf", leaf), ("issuing certificate", authority)):
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise VerificationError(
                f"the {what} is valid from {certificate.not_valid_before_utc} to {certificate.not_valid_after_utc}, "
                f"now is {now}"
            )
    if leaf.not_valid_after_utc - leaf.not_valid_before_utc > LONGEST_LEAF + _BACKDATE:
        raise VerificationError("the leaf lives for more than a day")
    try:
        ca = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as error:
        raise VerificationError(f"the leaf has no {error.oid._name}") from error
    wanted = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    if ca or wanted not in purposes:
        raise VerificationError("the leaf is a CA, or not for this purpose")


def member_of(leaf: x509.Certificate, authorities: Mapping[str, x509.Certificate], *, now: datetime) -> str:
    """The member whose registered issuing certificate issued `leaf` for a client. Raises `VerificationError` for
    none.
    """
    for member, authority in authorities.items():
        if leaf.issuer == authority.subject:
            verify_leaf(leaf, authority, now=now)
            return member
    raise VerificationError(f"no member's issuing certificate issued {leaf.issuer.rfc4514_string()!r}")


def _verify_issued(certificate: x509.Certificate, authority: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise VerificationError(f"not issued by {authority.subject.rfc4514_string()!r}") from error


def _authority_name(member: str) -> x509.Name:
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, member)
    return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, f"{member} TLS issuing")])


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
