"""`verify`: whatever file it is given, it proves something or says in a sentence why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gchain_node.development import DevelopmentConsortium
from gchain_node.errors import ConfigurationError, VerificationError
from gchain_node.proof.cli import verify
from node.tests.examples import examples

FIELDS = (
    "version", "chain_id", "genesis_digest", "initial_height", "validators", "changes", "log_keys", "witness",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("ledger")
    DevelopmentConsortium.open(home)
    return home / "trust.json"


@pytest.mark.parametrize("value", [7, None, True, "proof", [], ["proof"], {}, {"proof": 1}, {"version": 2}], ids=repr)
def test_json_that_is_neither_receipt_nor_proof_is_refused(trust: Path, tmp_path: Path, value: Any) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(value))
    with pytest.raises(VerificationError):
        verify(path, trust)
    with pytest.raises(VerificationError, match="the trust file is malformed"):
        verify(path, path)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"\xd2", b"\xd2\x84"], ids=lambda raw: repr(raw[:4])
)
def test_bytes_that_are_neither_json_nor_cose_are_refused(trust: Path, tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "receipt"
    path.write_bytes(raw)
    with pytest.raises((ConfigurationError, VerificationError)):
        verify(path, trust)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=3))
def test_no_field_of_a_trust_file_makes_the_reader_fail_in_another_way(
    trust: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    """The receipt is none: whoever gets past the trust file is refused for that."""
    path, receipt = tmp_path / "trust.json", tmp_path / "receipt.json"
    path.write_text(json.dumps(json.loads(trust.read_text()) | change))
    receipt.write_text("{}")
    with pytest.raises(VerificationError):
        verify(receipt, path)
