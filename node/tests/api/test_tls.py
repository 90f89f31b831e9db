"""TLS of the API: the leaf is replaced while running, a half-written pair is not used, members come and go."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from gchain_node.api.tls import LeafStore
from gchain_node.keys.file_key import FileKey
from gchain_node.tls import Leaf, issue_leaf, make_authority, read_authority

NOW = dt.datetime.now(dt.UTC)


class Agency:
    """A member's TLS-issuing key and certificate."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = FileKey(ec.generate_private_key(ec.SECP256R1()))
        self.pem = make_authority(self.key, member=name, now=NOW).decode()

    def leaf(self, *, client: bool = False) -> Leaf:
        authority = read_authority(self.pem, self.name)
        return issue_leaf(
            self.key, authority, hostname="localhost", addresses=["127.0.0.1"], hours=1, now=NOW, client=client
        )


def put(directory: Path, leaf: Leaf) -> None:
    (directory / "key.pem").write_bytes(leaf.private_key)
    (directory / "cert.pem").write_bytes(leaf.certificate)


def handshake(store: LeafStore, client: ssl.SSLContext) -> bytes | None:
    """One connection; the client certificate that the server saw. Raises what the client got."""
    ours, theirs = socket.socketpair()
    seen: list[bytes | None] = []

    def serve() -> None:
        try:
            with store.server_context().wrap_socket(theirs, server_side=True) as connection:
                seen.append(connection.getpeercert(binary_form=True))
                connection.sendall(b"!")
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        ours.settimeout(120)
        with client.wrap_socket(ours, server_hostname="127.0.0.1") as connection:
            if connection.recv(1) != b"!":
                raise ssl.SSLError("closed without a word")
    finally:
        ours.close()
        thread.join(120)
    return seen[0]


def client_of(server: Agency, tmp_path: Path, presents: Leaf | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=server.pem)
    if presents is not None:
        (tmp_path / "client.pem").write_bytes(presents.private_key + presents.certificate)
        context.load_cert_chain(tmp_path / "client.pem")
    return context


@pytest.fixture
def treasury() -> Agency:
    return Agency("treasury")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "tls").mkdir()
    return tmp_path / "tls"


def test_without_a_leaf_nobody_is_served_and_the_store_says_why(
    treasury: Agency, directory: Path, tmp_path: Path
) -> None:
    store = LeafStore(directory)
    assert not store.refresh()
    assert store.problem is not None
    assert str(directory) in store.problem
    with pytest.raises(OSError, match=r"."):
        handshake(store, client_of(treasury, tmp_path))


def test_a_new_leaf_is_served_to_the_next_connection(treasury: Agency, directory: Path, tmp_path: Path) -> None:
    store = LeafStore(directory)
    first, second = treasury.leaf(), treasury.leaf()
    put(directory, first)
    assert store.refresh()
    assert not store.refresh()
    handshake(store, client_of(treasury, tmp_path))
    put(directory, second)
    assert store.refresh()
    assert store.not_after == x509.load_pem_x509_certificate(second.certificate).not_valid_after_utc


def test_a_certificate_beside_anothers_key_leaves_the_old_pair_in_use(
    treasury: Agency, directory: Path, tmp_path: Path
) -> None:
    store = LeafStore(directory)
    put(directory, treasury.leaf())
    store.refresh()
    (directory / "key.pem").write_bytes(treasury.leaf().private_key)
    assert not store.refresh()
    assert store.problem is not None
    handshake(store, client_of(treasury, tmp_path))


def test_a_members_client_is_known_until_the_member_is_gone(treasury: Agency, directory: Path, tmp_path: Path) -> None:
    interior = Agency("interior")
    store = LeafStore(directory)
    put(directory, treasury.leaf())
    store.set_issuers({"treasury": treasury.pem, "interior": interior.pem})
    store.refresh()
    presents = interior.leaf(client=True)
    certificate = handshake(store, client_of(treasury, tmp_path, presents))
    assert certificate is not None
    assert store.trust.member_of(certificate, NOW) == "interior"
    assert store.trust.member_of(certificate, NOW + dt.timedelta(days=2)) is None
    store.set_issuers({"treasury": treasury.pem})
    assert store.trust.member_of(certificate, NOW) is None
    with pytest.raises(OSError, match=r"."):
        handshake(store, client_of(treasury, tmp_path, presents))


def test_a_strangers_client_certificate_ends_the_handshake(treasury: Agency, directory: Path, tmp_path: Path) -> None:
    store = LeafStore(directory)
    put(directory, treasury.leaf())
    store.set_issuers({"treasury": treasury.pem})
    store.refresh()
    assert handshake(store, client_of(treasury, tmp_path)) is None
    with pytest.raises(OSError, match=r"."):
        handshake(store, client_of(treasury, tmp_path, Agency("stranger").leaf(client=True)))
