"""No private key lies outside its token: disks and memory of every host, searched for the very bytes.

The bytes are learned from SoftHSM's own files with the PINs (`tests/secret_search/`). The named exception: SoftHSM is a
library, so the process that has a token open is the token (`tests.secret_search.host.HOLDERS`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gchain.sandbox.hosts.base import base_image
from gchain_node.keys import encode_public_key, load_public_key
from gchain_node.keys.public import from_cometbft
from tests.secret_search.host import (
    HOLDERS,
    Searched,
    host_keys,
    officer_keys,
    search_files,
    search_host,
    secrets_of,
)
from tests.secret_search.places import processes
from tests.secret_search.search import SecretSearch, compiled
from tests.secret_search.softhsm_store import StoredKey

from .consortium import Consortium, wait_until

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


@pytest.fixture(scope="module")
def keys(live: Consortium) -> dict[str, dict[str, StoredKey]]:
    """Every key of each agency: `validator/...` and `member/...` of its host, `officer/...` of its officers. Each
    host's tokens have been used: its signer votes, and its node has signed a checkpoint.
    """
    for node in live.nodes.values():
        assert httpx.get(f"{node.status_url}/checkpoint", timeout=30, trust_env=False).status_code == 200
    return {
        name: host_keys(live.sandbox.machine(live.instance(name))) | officer_keys(live.workspace.member(name).officer)
        for name in live.names
    }


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("search"))


def _search(library: Path, keys: dict[str, dict[str, StoredKey]], name: str) -> SecretSearch:
    """For a search of one agency's host: its own keys, and everybody else's under names that no token there has."""
    foreign = {f"{other}'s {key}": secret for other in keys if other != name for key, secret in _secrets(keys, other)}
    return SecretSearch(library, dict(_secrets(keys, name)) | foreign)


def _secrets(keys: dict[str, dict[str, StoredKey]], name: str) -> list[tuple[str, bytes]]:
    return list(secrets_of(keys[name]).items())


def _of(live: Consortium, search: SecretSearch, name: str) -> Searched:
    return search_host(search, live.sandbox.machine(live.instance(name)))


def test_the_bytes_that_are_searched_for_are_those_of_the_keys_that_the_ledger_knows(
    live: Consortium, keys: dict[str, dict[str, StoredKey]]
) -> None:
    for name in live.names:
        entry, learned = live.query(name, f"members/{name}"), {key.public_key for key in keys[name].values()}
        issuing = x509.load_pem_x509_certificates(entry["tls_ca"].encode())[-1].public_key()
        registered = {
            encode_public_key(from_cometbft(entry["validator"]["type"], entry["validator"]["public_key"])),
            encode_public_key(load_public_key(entry["member_key"])),
            encode_public_key(load_public_key(entry["receipt_key"])),
            encode_public_key(issuing),  # type: ignore[arg-type]
        } | {encode_public_key(load_public_key(officer["public_key"])) for officer in entry["officers"]}
        assert registered <= learned, name


@pytest.fixture
def planted(live: Consortium, keys: dict[str, dict[str, StoredKey]]) -> Iterator[dict[str, str]]:
    """Copies of treasury's receipt key on its host, on the root disk and on the ledger volume, and in a process: the
    form in which each place has it. They are overwritten afterwards, since deleted blocks are searched too.
    """
    secret = keys["treasury"]["member/receipt"].secret
    key = ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    written = {"raw": secret, "hex": secret.hex().encode(), "base64": pem}
    directories = ("/var/tmp", "/var/lib/gchain/node")
    host = live.host("treasury")
    places = {f"{directory}/planted.{form}": form for directory in directories for form in written}
    try:
        for place, form in places.items():
            _write(live, place, written[form])
        with host.sudo():
            host.check_output(
                "systemd-run --unit=planted --collect /usr/bin/python3 -c "
                '\'import time; held = open("/var/tmp/planted.raw", "rb").read(); time.sleep(900)\''
            )
        wait_until("the process with a copy", lambda: host.service("planted").is_running)
        yield places | {"memory planted.service": "raw"}
    finally:
        with host.sudo():
            host.run("systemctl stop planted.service")
            host.check_output("shred --remove " + " ".join(places))


def _write(live: Consortium, place: str, content: bytes) -> None:
    """As root on the host, without the content passing through any other process of it."""
    machine = live.sandbox.machine(live.instance("treasury"))
    leader = machine.cgroups.processes(machine.id)[0]
    Path(f"/proc/{leader}/root{place}").write_bytes(content)


def test_planted_copies_are_found_in_files_in_blocks_and_in_memory(
    live: Consortium, keys: dict[str, dict[str, StoredKey]], library: Path, planted: dict[str, str]
) -> None:
    searched = _of(live, _search(library, keys, "treasury"), "treasury")
    assert {each.found.secret for each in searched.copies} == {"member/receipt"}
    for place, form in planted.items():
        assert any(each.place.startswith(place) and each.found.form == form for each in searched.copies), place
    assert any(each.place.startswith("image ") for each in searched.copies)


def test_no_host_has_a_private_key_outside_its_tokens(  # after the planted copies: they are gone as well
    live: Consortium, keys: dict[str, dict[str, StoredKey]], library: Path
) -> None:
    for name in live.names:
        searched = _of(live, _search(library, keys, name), name)
        assert searched.copies == []
        _assert_thorough(searched)


def _assert_thorough(searched: Searched) -> None:
    """A search that skipped what matters would find nothing either."""
    places = {place: size for place, size in searched.sizes.items() if size}
    tokens = [place for place in places if place.startswith("/var/lib/gchain/hsm/") and place.endswith(".object")]
    assert {place.split("/")[5] for place in tokens} == {"validator", "member"}
    assert any(place.startswith("image ") and size > 1_000_000 for place, size in places.items())
    assert any(place.startswith("/run/credentials/") for place in places)
    assert any(place.startswith("/etc/gchain/") for place in places)
    for unit in ("gchain-signer", "gchain-node", "gchain-engine", "ssh", "systemd-journald"):
        assert any(place.startswith(f"memory {unit}.service") for place in places), unit


def test_no_image_that_hosts_boot_from_has_a_private_key(
    live: Consortium, keys: dict[str, dict[str, StoredKey]], library: Path
) -> None:
    everything = {f"{name}'s {key}": secret for name in keys for key, secret in _secrets(keys, name)}
    plan = live.sandbox.plan
    for layer in [base_image(plan.base).root, *([Path(plan.image)] if plan.image else [])]:
        searched = search_files(SecretSearch(library, everything), layer)
        assert searched.copies == []
        assert sum(searched.sizes.values()) > 10_000_000


def test_only_the_units_that_own_a_token_load_the_module(
    live: Consortium, keys: dict[str, dict[str, StoredKey]]
) -> None:
    for name in live.names:
        machine = live.sandbox.machine(live.instance(name))
        loaded = {each.unit for each in processes(machine.cgroups.processes(machine.id)) if each.has_module}
        assert {"gchain-signer.service", "gchain-node.service"} <= loaded <= set(HOLDERS)
