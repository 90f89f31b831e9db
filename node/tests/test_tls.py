from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gchain_node.errors import ConfigurationError, KeyAccessError, VerificationError
from gchain_node.keys import Key
from gchain_node.tls import Leaf, _TokenSigner, issue_leaf, make_authority, member_of, read_authority, verify_leaf
from gchain_node.tls_directory import TlsDirectory

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MEMORY = Path("/dev/shm")


@pytest.fixture
def key(token: Any) -> Key:
    made: Key = token.key("tls", "p256")
    return made


@pytest.fixture
def authority(key: Key) -> x509.Certificate:
    return read_authority(make_authority(key, member="treasury", now=NOW), "treasury")


def _issue(key: Key, authority: x509.Certificate, **more: Any) -> Leaf:
    words: dict[str, Any] = {"hostname": "h1.gov", "addresses": ["10.0.0.1"], "hours": 24, "now": NOW}
    return issue_leaf(key, authority, **words | more)


def _load(leaf: Leaf) -> x509.Certificate:
    return x509.load_pem_x509_certificate(leaf.certificate)


def test_the_tokens_key_signs_its_issuing_certificate(authority: x509.Certificate, key: Key) -> None:
    assert authority.public_key() == key.public_key
    with pytest.raises(VerificationError, match="not for 'health'"):
        read_authority(authority.public_bytes(serialization.Encoding.PEM), "health")


def test_a_leaf_verifies_while_it_is_valid_and_not_outside(authority: x509.Certificate, key: Key) -> None:
    leaf = _load(_issue(key, authority))
    verify_leaf(leaf, authority, now=NOW, server=True)
    verify_leaf(leaf, authority, now=NOW + timedelta(hours=23))
    for moment in (NOW + timedelta(hours=25), NOW - timedelta(hours=1)):
        with pytest.raises(VerificationError, match="valid from"):
            verify_leaf(leaf, authority, now=moment)


def test_a_client_leaf_is_no_servers(authority: x509.Certificate, key: Key) -> None:
    leaf = _load(_issue(key, authority, client=True))
    verify_leaf(leaf, authority, now=NOW)
    with pytest.raises(VerificationError, match="purpose"):
        verify_leaf(leaf, authority, now=NOW, server=True)


def test_the_issuing_certificate_itself_is_no_leaf(authority: x509.Certificate) -> None:
    with pytest.raises(VerificationError, match="more than a day"):
        verify_leaf(authority, authority, now=NOW)


def test_a_leaf_tells_which_member_issued_it(authority: x509.Certificate, key: Key, token: Any) -> None:
    other_key = token.key("tls-other", "p256")
    other = read_authority(make_authority(other_key, member="health", now=NOW), "health")
    impostor = read_authority(make_authority(other_key, member="treasury", now=NOW), "treasury")
    members = {"treasury": authority, "health": other}
    assert member_of(_load(_issue(key, authority)), members, now=NOW) == "treasury"
    assert member_of(_load(_issue(other_key, other)), members, now=NOW) == "health"
    with pytest.raises(VerificationError, match="not issued by"):
        member_of(_load(_issue(other_key, impostor)), members, now=NOW)
    with pytest.raises(VerificationError, match="no member"):
        member_of(_load(_issue(key, authority)), {"health": other}, now=NOW)


@pytest.mark.parametrize("hours", [0, -1, 24.1, 8760])
def test_a_leaf_of_more_than_a_day_is_refused(authority: x509.Certificate, key: Key, hours: float) -> None:
    with pytest.raises(ConfigurationError, match="24"):
        _issue(key, authority, hours=hours)


def test_a_leaf_by_another_key_than_the_certificates_is_refused(authority: x509.Certificate, token: Any) -> None:
    with pytest.raises(KeyAccessError, match="not that of the token's TLS key"):
        _issue(token.key("another", "p256"), authority)


def test_an_address_that_is_none_is_refused(authority: x509.Certificate, key: Key) -> None:
    with pytest.raises(ConfigurationError, match="name"):
        _issue(key, authority, addresses=["10.0.0.999"])


def test_the_issuing_key_is_on_p256_and_cannot_be_read(key: Key, token: Any) -> None:
    with pytest.raises(KeyAccessError, match="P-256 expected"):
        make_authority(token.key("ed", "ed25519"), member="treasury", now=NOW)
    signer = _TokenSigner(key)
    for reading in (signer.private_numbers, signer.private_bytes):
        with pytest.raises(KeyAccessError, match="cannot be read"):
            reading()


@pytest.mark.parametrize("pem", ["", "text", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(pem: str) -> None:
    with pytest.raises(VerificationError):
        read_authority(pem, "treasury")


@pytest.fixture
def in_memory(tmp_path: Path) -> Callable[[], TlsDirectory]:
    if not MEMORY.is_dir():
        pytest.skip(f"{MEMORY} is not there")
    return lambda: TlsDirectory(MEMORY / tmp_path.name)


def test_a_directory_on_a_disk_is_refused_and_one_in_memory_is_not(tmp_path: Path, in_memory: Any) -> None:
    in_memory().refuse_disk()
    with pytest.raises(ConfigurationError, match="tmpfs expected"):
        TlsDirectory(tmp_path / "tls").refuse_disk()


def test_a_set_of_files_is_replaced_as_one(tmp_path: Path, authority: x509.Certificate, key: Key) -> None:
    directory = TlsDirectory(tmp_path / "tls")
    pem = authority.public_bytes(serialization.Encoding.PEM)
    for _ in range(3):
        directory.write(_issue(key, authority), pem)
        assert (tmp_path / "tls/key.pem").stat().st_mode & 0o777 == 0o600
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "tls/cert.pem", tmp_path / "tls/key.pem")  # they belong together
    assert len(list((tmp_path / "tls").glob("set-*"))) == 1


def test_a_leaf_in_place_is_kept_only_for_the_same_names_and_issuer(
    tmp_path: Path, authority: x509.Certificate, key: Key
) -> None:
    directory = TlsDirectory(tmp_path / "tls")
    pem = authority.public_bytes(serialization.Encoding.PEM)
    assert not directory.covers("h1.gov", ["10.0.0.1"], NOW, pem)
    directory.write(_issue(key, authority), pem)
    later = NOW + timedelta(hours=20)
    assert directory.covers("h1.gov", ["10.0.0.1"], later, pem)
    assert not directory.covers("h2.gov", ["10.0.0.1"], later, pem)
    assert not directory.covers("h1.gov", ["10.0.0.2"], later, pem)
    assert not directory.covers("h1.gov", ["10.0.0.1"], NOW + timedelta(hours=25), pem)
    assert not directory.covers("h1.gov", ["10.0.0.1"], later, pem + b"\n")
