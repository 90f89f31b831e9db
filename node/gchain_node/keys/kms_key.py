"""Keys in AWS KMS: `aws-kms:///KEY?region=R[&endpoint=URL]`, KEY a key id, ARN or `alias/NAME`.

A key made in KMS cannot be exported. Credentials come from the environment as boto3 finds them, never from the URI.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs, unquote

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gchain_node.errors import ConfigurationError, KeyAccessError, KeyUnavailable, VerificationError
from gchain_node.keys.key import Key
from gchain_node.keys.public import PublicKey, load_public_key, low_s, verify_signature

__all__ = ["KmsKey"]

_LONGEST_RAW = 4096  # bytes of a message that KMS hashes itself (API reference, Sign)
_QUERY = {"region", "endpoint"}
_FOR_NOW = {"ThrottlingException", "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException"}


class KmsKey(Key):
    """An asymmetric signing key in KMS. Every signature is checked against the public half before it leaves."""

    def __init__(self, client: Any, key_id: str) -> None:
        self._client, self._key_id = client, key_id
        answer = self._call("get_public_key")
        if answer["KeyUsage"] != "SIGN_VERIFY":
            raise KeyAccessError(f"KMS key {key_id} is for {answer['KeyUsage']}, SIGN_VERIFY expected")
        try:
            self._public = load_public_key(bytes(answer["PublicKey"]))
        except VerificationError as error:
            raise KeyAccessError(f"KMS key {key_id}: {error}") from error

    @classmethod
    def open(cls, uri: str) -> KmsKey:
        """Raises `ConfigurationError` for the URI, `KeyAccessError` or `KeyUnavailable` for the key."""
        key_id, region, endpoint = _parse(uri)
        try:
            import boto3
            from botocore.config import Config
        except ImportError as error:
            raise ConfigurationError("aws-kms keys need boto3", remedy="install gchain-node with boto3") from error
        settings = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 2})
        return cls(boto3.client("kms", region_name=region, endpoint_url=endpoint, config=settings), key_id)

    @property
    def public_key(self) -> PublicKey:
        return self._public

    def sign(self, message: bytes) -> bytes:
        if self.algorithm == "EdDSA":
            signature = self._ask(message, "RAW", "ED25519_SHA_512")
        else:
            raw = len(message) <= _LONGEST_RAW
            content, kind = (message, "RAW") if raw else (hashlib.sha256(message).digest(), "DIGEST")
            r, s = decode_dss_signature(self._ask(content, kind, "ECDSA_SHA_256"))
            signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
            signature = low_s(signature, "secp256r1" if self.algorithm == "ES256" else "secp256k1")
        try:
            verify_signature(self._public, message, signature)
        except VerificationError as error:
            raise KeyAccessError(f"KMS key {self._key_id} gave a signature that does not verify") from error
        return signature

    def _ask(self, message: bytes, kind: str, algorithm: str) -> bytes:
        return bytes(self._call("sign", Message=message, MessageType=kind, SigningAlgorithm=algorithm)["Signature"])

    def _call(self, operation: str, **arguments: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

        try:
            return getattr(self._client, operation)(KeyId=self._key_id, **arguments)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            kind = KeyUnavailable if code in _FOR_NOW else KeyAccessError
            raise kind(f"KMS refuses {operation} with {self._key_id}: {code}") from error
        except (ConnectionError, HTTPClientError) as error:
            raise KeyUnavailable(f"KMS does not answer at {self._client.meta.endpoint_url}") from error
        except BotoCoreError as error:
            raise KeyAccessError(f"KMS cannot be asked: {error}") from error


def _parse(uri: str) -> tuple[str, str, str | None]:
    path, _, query = uri.removeprefix("aws-kms:").partition("?")
    key_id = unquote(path.lstrip("/"))
    words = parse_qs(query, keep_blank_values=True)
    unknown = set(words) - _QUERY
    if unknown or not key_id or len(words.get("region", [])) != 1:
        fault = f"unknown {', '.join(sorted(unknown))}" if unknown else "KEY and region= are needed"
        raise ConfigurationError(f"{uri!r}: {fault}; expected aws-kms:///KEY?region=REGION")
    return key_id, words["region"][0], words.get("endpoint", [None])[0]
