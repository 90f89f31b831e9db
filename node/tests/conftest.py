"""Tokens for tests: one SoftHSM store a test process, since SoftHSM takes its store once, and a new token where
wanted. Ledgers of real processes: see `node/tests/network/ledger.py`.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gchain_node.keys import Key, Pkcs11Uri, open_key
from gchain_node.keys.pin import ensure_pin
from gchain_node.keys.softhsm import SoftHsmStore
from gchain_node.keys.token import as_key_type, generate, init_token
from gchain_node.keys.uri import DEFAULT_MODULE
from node.tests.network.ledger import Ledgers
from node.tests.network.process import find_cometbft

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Token:
    """A fresh token: its URI (with pin-source), PIN files, and where its store is."""

    uri: Pkcs11Uri
    pin_file: Path
    so_pin_file: Path
    store: Path

    def pin(self) -> str:
        return ensure_pin(self.pin_file, create=False)

    def add(self, label: str, key_type: str) -> str:
        """Generate a key; its URI."""
        uri = self.uri.with_object(label)
        generate(uri, self.pin, as_key_type(key_type))
        return str(uri)

    def key(self, label: str, key_type: str) -> Key:
        return open_key(self.add(label, key_type))


@pytest.fixture(scope="session")
def softhsm_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsmStore]:
    if not Path(DEFAULT_MODULE).exists():
        pytest.skip(f"SoftHSM2 is not installed: {DEFAULT_MODULE}")
    store = SoftHsmStore(tmp_path_factory.mktemp("softhsm"))
    store.create()
    before = os.environ.get("SOFTHSM2_CONF")
    store.enter()
    yield store
    os.environ.pop("SOFTHSM2_CONF")
    if before is not None:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def new_token(softhsm_store: SoftHsmStore, tmp_path: Path) -> Callable[[], Token]:
    """Makes a token of a name of its own."""

    def make() -> Token:
        label = f"token-{next(_numbers)}"
        pin_file, so_pin_file = tmp_path / f"{label}.pin", tmp_path / f"{label}.so-pin"
        pin, so_pin = ensure_pin(pin_file, create=True), ensure_pin(so_pin_file, create=True)
        uri = Pkcs11Uri(token=label, type="private", pin_source=pin_file)
        init_token(uri, lambda: so_pin, lambda: pin)
        return Token(uri, pin_file, so_pin_file, softhsm_store.directory)

    return make


@pytest.fixture
def token(new_token: Callable[[], Token]) -> Token:
    return new_token()


@pytest.fixture
def ledgers(tmp_path: Path) -> Iterator[Ledgers]:
    """Makes ledgers of real node and engine processes, and ends them after the test."""
    cometbft = find_cometbft()
    if cometbft is None:
        pytest.skip("cometbft is neither in $GCHAIN_CACHE/bin nor on PATH: `gchain toolchain install` builds it")
    made = Ledgers(tmp_path, cometbft)
    yield made
    made.stop()


@dataclass(frozen=True)
class FaultyHsm:
    """A module of its own for one token, whose faults (words that `faulty_hsm.c` knows) a test sets while it works."""

    directory: Path
    token: Token

    @property
    def uri(self) -> Pkcs11Uri:
        return replace(self.token.uri, module_path=str(self.directory / "module.so"))

    def uri_of(self, label: str, key_type: str) -> str:
        """A new key, made without faults; its URI through the faulty module."""
        self.token.add(label, key_type)
        return str(self.uri.with_object(label))

    def signed(self) -> list[bytes]:
        """What the HSM was asked to sign while `record` was set, in order."""
        found = self.directory / "signed"
        return [bytes.fromhex(line) for line in found.read_text().split()] if found.exists() else []

    def set(self, faults: str) -> None:
        """In one step: the HSM may be in use."""
        (self.directory / "faults.new").write_text(faults)
        (self.directory / "faults.new").rename(self.directory / "faults")


@pytest.fixture(scope="session")
def faulty_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc) on PATH: the HSM with faults is compiled here")
    built = tmp_path_factory.mktemp("faulty-hsm") / "module.so"
    source = Path(__file__).with_name("faulty_hsm.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", built, source, "-ldl"], check=True)
    return built


@pytest.fixture
def faulty_hsm(faulty_module: Path, token: Token, tmp_path: Path) -> FaultyHsm:
    """Copies, because a loader takes a file that it knows for the module that is loaded already."""
    directory = tmp_path / "faulty-hsm"
    directory.mkdir()
    shutil.copy(faulty_module, directory / "module.so")
    shutil.copy(DEFAULT_MODULE, directory / "real.so")
    return FaultyHsm(directory, token)
