"""Against the local cloud's KMS (moto's server): what it lacks (Ed25519, digests for long messages) is not shown
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gchain_node.errors import ConfigurationError, KeyAccessError, KeyUnavailable
from gchain_node.keys import open_key, verify_signature

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed: it is needed for keys in AWS KMS only")
server = pytest.importorskip(
    "moto.server", reason="moto is not installed: it is the local cloud that KMS keys are tested on"
)
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def kms(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = boto3.client("kms", region_name=REGION, endpoint_url=endpoint)
    yield client
    client.close()


def _uri(key_id: str, endpoint: str) -> str:
    return f"aws-kms:///{key_id}?region={REGION}&endpoint={endpoint}"


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ECC_SECG_P256K1"])
def test_a_key_in_kms_signs_with_low_s(kms: Any, endpoint: str, spec: str) -> None:
    made = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{spec}", TargetKeyId=made)
    for name in (made, f"alias/{spec}"):
        key = open_key(_uri(name, endpoint))
        for number in range(6):
            verify_signature(key.public_key, bytes([number]), key.sign(bytes([number])))


def test_a_missing_key_is_named(kms: Any, endpoint: str) -> None:
    with pytest.raises(KeyAccessError, match=r"alias/absent.*NotFound"):
        open_key(_uri("alias/absent", endpoint))


def test_a_key_for_another_use_or_curve_is_refused(kms: Any, endpoint: str) -> None:
    p384 = kms.create_key(KeySpec="ECC_NIST_P384", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    with pytest.raises(KeyAccessError, match="secp384r1"):
        open_key(_uri(p384, endpoint))


def test_kms_that_does_not_answer_is_unavailable_for_now(kms: Any) -> None:
    with pytest.raises(KeyUnavailable, match=r"127\.0\.0\.1:1"):
        open_key(_uri("k", "http://127.0.0.1:1"))


@pytest.mark.parametrize("uri", ["aws-kms:///?region=r", "aws-kms:///k", "aws-kms:///k?region=r&profile=p"])
def test_a_malformed_uri_is_refused(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="aws-kms:///KEY"):
        open_key(uri)
