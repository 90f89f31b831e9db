"""Keys that sign: in PKCS#11 tokens, in a cloud's KMS, or (development only) in files. `open_key` opens one by its
URI.
"""

from gchain_node.keys.key import Algorithm, Key
from gchain_node.keys.provider import open_key
from gchain_node.keys.public import (
    PublicKey,
    cometbft_address,
    cometbft_bytes,
    cometbft_type,
    encode_public_key,
    key_id,
    load_public_key,
    public_der,
    verify_signature,
)
from gchain_node.keys.uri import Pkcs11Uri

__all__ = [
    "Algorithm",
    "Key",
    "Pkcs11Uri",
    "PublicKey",
    "cometbft_address",
    "cometbft_bytes",
    "cometbft_type",
    "encode_public_key",
    "key_id",
    "load_public_key",
    "open_key",
    "public_der",
    "verify_signature",
]
