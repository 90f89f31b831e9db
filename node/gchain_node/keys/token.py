"""Administration of tokens: initialise, generate keys, list them, show what they are, probe what the HSM can do.

Keys are made inside the token with CKA_SENSITIVE, never CKA_EXTRACTABLE, and CKA_SIGN as their only use. Each
function takes the URI of the token (and object) and works with any PKCS#11 module; a new token is made in the first
free slot.
"""

from __future__ import annotations

import ctypes
import secrets
from dataclasses import asdict, dataclass
from typing import Any

import pkcs11
import pkcs11.exceptions as p11
from asn1crypto.core import ObjectIdentifier
from pkcs11 import Attribute, ObjectClass

from gchain_node.errors import KeyAccessError
from gchain_node.keys.mechanisms import KEY_TYPES, TYPE_OF_ALGORITHM, KeyTypeName, check_mechanisms, is_listed
from gchain_node.keys.pin import PinSource
from gchain_node.keys.pkcs11_key import describe, find_object, find_public, read_public_key
from gchain_node.keys.public import algorithm_of, encode_public_key, key_id
from gchain_node.keys.session import Module
from gchain_node.keys.uri import Pkcs11Uri

__all__ = [
    "MechanismRow",
    "as_key_type",
    "attributes",
    "destroy",
    "generate",
    "init_token",
    "list_keys",
    "probe",
    "rows",
]

_PRIVATE = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
    Attribute.DECRYPT: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
}
_PUBLIC = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,  # AWS CloudHSM takes no other value (user guide, key attributes, note 1)
    Attribute.VERIFY: True,
    Attribute.ENCRYPT: False,
    Attribute.WRAP: False,
}
_EVIDENCE = {
    "sensitive": Attribute.SENSITIVE,
    "always_sensitive": Attribute.ALWAYS_SENSITIVE,
    "extractable": Attribute.EXTRACTABLE,
    "never_extractable": Attribute.NEVER_EXTRACTABLE,
    "local": Attribute.LOCAL,
    "sign": Attribute.SIGN,
    "decrypt": Attribute.DECRYPT,
    "unwrap": Attribute.UNWRAP,
    "derive": Attribute.DERIVE,
}


def as_key_type(name: str) -> KeyTypeName:
    """`name`, checked. Raises `KeyAccessError`."""
    for known in KEY_TYPES:
        if name == known:
            return known
    raise KeyAccessError(f"{name!r} is no key type; known: {', '.join(KEY_TYPES)}")


@dataclass(frozen=True)
class MechanismRow:
    """One line of the probe: whether the token lists the mechanisms of a key type, how a trial key went, and whether
    both are well: keys of a type that is not listed are neither made nor used.
    """

    key_type: str
    listed: bool
    trial: str
    works: bool


def init_token(uri: Pkcs11Uri, so_pin: PinSource, pin: PinSource) -> dict[str, Any]:
    """Make the token that `uri` names by label; a token of that name which takes the PIN is left as it is.

    Returns `{label, serial, created}`. Raises `KeyAccessError`: no free slot, or the token exists and refuses the PIN.
    """
    if uri.token is None:
        raise KeyAccessError("a new token needs a name", remedy="add token=LABEL to the URI")
    module = Module.load(uri.module_path)
    with module.lock:
        created = False
        try:
            token = module.find_token(uri)
        except p11.NoSuchToken:
            token = _create(module, uri.token, so_pin())
            created = True
        if pkcs11.TokenFlag.USER_PIN_INITIALIZED not in token.flags:
            _set_user_pin(token, so_pin(), pin())
        module.log_in(token, pin()).close()
        return {"label": token.label, "serial": token.serial.decode(errors="replace"), "created": created}


def _create(module: Module, label: str, so_pin: str) -> Any:
    free = [slot for slot in module.lib.get_slots(token_present=True) if _is_blank(slot)]
    if not free:
        raise KeyAccessError(f"{module.path} has no slot with an uninitialised token for {label!r}")
    _c_init_token(module.path, free[0].slot_id, so_pin, label)
    return free[0].get_token()


def _is_blank(slot: Any) -> bool:
    try:
        return pkcs11.TokenFlag.TOKEN_INITIALIZED not in slot.get_token().flags
    except p11.PKCS11Error:
        return False


def _c_init_token(path: str, slot_id: int, so_pin: str, label: str) -> None:
    """C_InitToken, which python-pkcs11 does not offer; the tools that do take PINs as arguments. Same loaded module."""
    function = ctypes.CDLL(path).C_InitToken
    function.argtypes = [ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
    function.restype = ctypes.c_ulong
    encoded = label.encode()
    if len(encoded) > 32:
        raise KeyAccessError(f"token label {label!r} has {len(encoded)} bytes, at most 32 fit")
    status = function(slot_id, so_pin.encode(), len(so_pin.encode()), encoded.ljust(32))
    if status != 0:
        raise KeyAccessError(f"the HSM did not initialise token {label!r}: C_InitToken returned 0x{status:08X}")


def _set_user_pin(token: Any, so_pin: str, pin: str) -> None:
    try:
        with token.open(rw=True, so_pin=so_pin) as session:
            session.init_pin(pin)
    except p11.PKCS11Error as error:
        raise KeyAccessError(f"the user PIN of token {token.label!r} cannot be set: {type(error).__name__}") from None


def generate(uri: Pkcs11Uri, pin: PinSource, key_type: KeyTypeName, registered: str | None = None) -> dict[str, Any]:
    """Make a key pair named `uri.object`, or use the one that is there.

    A key that is there is used if it is of `key_type` and, where `registered` (base64url DER) is given, has that
    public key; otherwise `KeyAccessError`. A missing key with `registered` given is refused too: a new one could not
    match it. Returns what `attributes` returns, and `created`.
    """
    if uri.object is None:
        raise KeyAccessError("a new key needs a name", remedy="add object=LABEL to the URI")
    module = Module.load(uri.module_path)
    with module.lock:
        token = _token(module, uri)
        with module.log_in(token, pin(), rw=True) as session:
            present = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: uri.object}))
            if not present:
                if registered is not None:
                    raise KeyAccessError(
                        f"token {token.label!r} holds no key {uri.object!r}, but one is registered: "
                        "a new key would not match it",
                        remedy="restore the token, or rotate the registered key",
                    )
                check_mechanisms(token, key_type, making=True)
                _generate(session, uri, key_type)
            evidence = _evidence(session, token, find_object(session, uri, "private"))
    _refuse_other_key(uri, evidence, key_type, registered)
    return evidence | {"created": not present}


def _generate(session: Any, uri: Pkcs11Uri, key_type: KeyTypeName) -> None:
    oid, kind, mechanism, _ = KEY_TYPES[key_type]
    parameters = session.create_domain_parameters(kind, {Attribute.EC_PARAMS: ObjectIdentifier(oid).dump()}, local=True)
    identifier = uri.id or secrets.token_bytes(8)
    naming = {Attribute.ID: identifier, Attribute.LABEL: uri.object}
    try:
        parameters.generate_keypair(
            mechanism=mechanism, store=True, public_template=_PUBLIC | naming, private_template=_PRIVATE | naming
        )
    except (p11.DeviceMemory, p11.HostMemory) as error:
        raise KeyAccessError(f"the token is full: no room for key {uri.object!r}") from error
    except p11.PKCS11Error as error:
        raise KeyAccessError(
            f"the HSM makes no {key_type} key: {type(error).__name__}", remedy="see `keys probe`"
        ) from error


def _refuse_other_key(uri: Pkcs11Uri, evidence: dict[str, Any], key_type: KeyTypeName, registered: str | None) -> None:
    found = evidence["key_type"]
    if found != key_type:
        raise KeyAccessError(f"key {describe(uri)} is there and is {found}, {key_type} expected")
    if registered is not None and registered != evidence["public_key"]:
        raise KeyAccessError(
            f"key {describe(uri)} is there, but its public key is {evidence['public_key']}, registered is {registered}",
            remedy="name the token that holds the registered key, or rotate it",
        )


def attributes(uri: Pkcs11Uri, pin: PinSource) -> dict[str, Any]:
    """The key's attributes and its token, as evidence that the key cannot leave the token (rule RES-047)."""
    module = Module.load(uri.module_path)
    with module.lock:
        token = _token(module, uri)
        with module.log_in(token, pin()) as session:
            return _evidence(session, token, find_object(session, uri, "private"))


def destroy(uri: Pkcs11Uri, pin: PinSource, public_key: str) -> dict[str, Any]:
    """Destroy the key pair named `uri.object` if its public key is `public_key` (base64url DER).

    Returns `{destroyed, label, public_key, remaining}`; `destroyed` is false where no key has the name. Raises
    `KeyAccessError` if the name is another key's: nothing is destroyed then.
    """
    if uri.object is None:
        raise KeyAccessError("which key is to be destroyed?", remedy="add object=LABEL to the URI")
    module = Module.load(uri.module_path)
    with module.lock:
        token = _token(module, uri)
        with module.log_in(token, pin(), rw=True) as session:
            named = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: uri.object}
            present = list(session.get_objects(named))
            if present:
                _destroy(session, find_object(session, uri, "private"), uri, public_key)
            left = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
            remaining = sorted(str(each.label) for each in left)
    return {"destroyed": bool(present), "label": uri.object, "public_key": public_key, "remaining": remaining}


def _destroy(session: Any, private: Any, uri: Pkcs11Uri, public_key: str) -> None:
    public = find_public(session, private)
    found = encode_public_key(read_public_key(public))
    if found != public_key:
        raise KeyAccessError(
            f"key {describe(uri)} is {found}, not {public_key}: it stays",
            remedy="name the key that was replaced; the one in use is never destroyed",
        )
    private.destroy()
    public.destroy()


def list_keys(uri: Pkcs11Uri, pin: PinSource) -> list[dict[str, Any]]:
    """The evidence of every private key in the token, by label."""
    module = Module.load(uri.module_path)
    with module.lock:
        token = _token(module, uri)
        with module.log_in(token, pin()) as session:
            keys = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY}))
            return sorted((_evidence(session, token, key) for key in keys), key=lambda row: (row["label"], row["id"]))


def _token(module: Module, uri: Pkcs11Uri) -> Any:
    try:
        return module.find_token(uri)
    except p11.NoSuchToken as error:
        raise KeyAccessError(
            str(error), remedy="initialise it with `keys token-init`, or correct token= in the URI"
        ) from None


def _evidence(session: Any, token: Any, private: Any) -> dict[str, Any]:
    public = read_public_key(find_public(session, private))
    return {
        "label": private.label,
        "id": bytes(private.id).hex(),
        "key_type": TYPE_OF_ALGORITHM[algorithm_of(public)],
        "algorithm": algorithm_of(public),
        "public_key": encode_public_key(public),
        "kid": key_id(public).hex(),
        **{name: bool(private[attribute]) for name, attribute in _EVIDENCE.items()},
        "mechanisms": _allowed_mechanisms(private),
        "token": {
            "label": token.label,
            "serial": token.serial.decode(errors="replace"),
            "manufacturer": token.manufacturer_id,
            "model": token.model,
        },
    }


def _allowed_mechanisms(private: Any) -> list[str] | None:
    """CKA_ALLOWED_MECHANISMS by name; None where the token sets or knows no such list."""
    try:
        return [getattr(item, "name", str(item)) for item in private[Attribute.ALLOWED_MECHANISMS]] or None
    except (p11.PKCS11Error, NotImplementedError, KeyError):
        return None


def probe(uri: Pkcs11Uri, pin: PinSource) -> list[MechanismRow]:
    """What the token can do: for each key type, its mechanisms in C_GetMechanismList, and a trial key that signs and
    goes.
    """
    module = Module.load(uri.module_path)
    with module.lock:
        token = _token(module, uri)
        listed = token.slot.get_mechanisms()
        with module.log_in(token, pin(), rw=True) as session:
            return [_probe(session, name, listed) for name in KEY_TYPES]


def _probe(session: Any, key_type: KeyTypeName, listed: set[Any]) -> MechanismRow:
    oid, kind, generating, signing = KEY_TYPES[key_type]
    known = is_listed(listed, key_type)
    template = {key: value for key, value in _PRIVATE.items() if key is not Attribute.TOKEN}
    try:
        parameters = session.create_domain_parameters(
            kind, {Attribute.EC_PARAMS: ObjectIdentifier(oid).dump()}, local=True
        )
        public, private = parameters.generate_keypair(
            mechanism=generating, store=False, private_template=template, public_template={Attribute.VERIFY: True}
        )
        signature = private.sign(bytes(32), mechanism=signing)
        verified = bool(public.verify(bytes(32), signature, mechanism=signing))
        private.destroy()
        public.destroy()
    except (p11.PKCS11Error, NotImplementedError) as error:
        return MechanismRow(key_type, known, f"{type(error).__name__}: {error}".rstrip(": "), works=False)
    trial = "signed and verified" if verified else "signature does not verify"
    return MechanismRow(key_type, known, trial, works=known and verified)


def rows(table: list[MechanismRow]) -> list[dict[str, Any]]:
    """The probe's table for JSON."""
    return [asdict(row) for row in table]
