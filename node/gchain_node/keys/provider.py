"""Which provider opens which key URI: one entry a scheme."""

from __future__ import annotations

from collections.abc import Callable

from gchain_node.errors import ConfigurationError
from gchain_node.keys.key import Key
from gchain_node.keys.pin import PinSource, pin_source
from gchain_node.keys.uri import Pkcs11Uri

__all__ = ["PROVIDERS", "open_key"]


def _open_pkcs11(text: str, pin: str | PinSource | None) -> Key:
    uri = Pkcs11Uri.parse(text)
    if uri.softhsm2_conf is not None:
        from gchain_node.keys.worker import WorkerKey

        return WorkerKey.open(uri, pin_source(uri, pin))
    from gchain_node.keys.pkcs11_key import Pkcs11Key  # loads the C extension, which a verifier does not need

    return Pkcs11Key.open(uri, pin_source(uri, pin))


def _open_file(text: str, pin: str | PinSource | None) -> Key:
    from gchain_node.keys.file_key import FileKey

    return FileKey.open(text)


def _open_kms(text: str, pin: str | PinSource | None) -> Key:
    from gchain_node.keys.kms_key import KmsKey

    return KmsKey.open(text)


PROVIDERS: dict[str, Callable[[str, str | PinSource | None], Key]] = {
    "pkcs11": _open_pkcs11,
    "file": _open_file,
    "aws-kms": _open_kms,
}


def open_key(uri: str, *, pin: str | PinSource | None = None) -> Key:
    """The key that `uri` names, ready to sign.

    `pin` is the PIN, or a callable that gives it at each log-in; without it the URI's `pin-source` file is read.
    Raises `ConfigurationError` (the URI), `KeyAccessError` (no such key, PIN refused), `KeyUnavailable` (token away).
    """
    scheme = uri.partition(":")[0]
    if scheme not in PROVIDERS:
        raise ConfigurationError(f"key URI {uri!r}: scheme {scheme!r} is none of {', '.join(PROVIDERS)}")
    return PROVIDERS[scheme](uri, pin)
