from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gchain_node.errors import KeyAccessError
from gchain_node.keys import Pkcs11Uri, open_key, verify_signature
from gchain_node.keys.worker import WorkerKey

StoreMaker = Callable[[str], Pkcs11Uri]


@pytest.fixture
def new_store(tmp_path: Path) -> StoreMaker:
    """Makes a SoftHSM store of its own, with token `t` and P-256 key `k`; the key's URI."""

    def make(name: str) -> Pkcs11Uri:
        store, pins = tmp_path / name, ["--pin-file", str(tmp_path / f"{name}.pin")]
        command = [sys.executable, "-m", "gchain_node.keys"]
        so_pin = ["--so-pin-file", str(tmp_path / f"{name}.so")]
        subprocess.run([*command, "token-init", "--label", "t", *pins, *so_pin, "--store", store], check=True)
        uri = Pkcs11Uri(token="t", object="k", pin_source=tmp_path / f"{name}.pin")
        subprocess.run([*command, "generate", "--uri", str(uri), "--type", "p256", "--store", store], check=True)
        return replace(uri, softhsm2_conf=store / "softhsm2.conf")

    return make


def test_keys_of_two_stores_work_in_one_process(new_store: StoreMaker) -> None:
    one, other = open_key(str(new_store("one"))), open_key(str(new_store("other")))
    assert isinstance(one, WorkerKey)
    assert one.kid != other.kid
    for key in (one, other, one):
        verify_signature(key.public_key, b"m", key.sign(b"m"))
    one.close()
    other.close()


def test_a_worker_that_was_killed_is_started_again(new_store: StoreMaker) -> None:
    key = open_key(str(new_store("one")))
    assert isinstance(key, WorkerKey)
    assert key._child is not None
    os.kill(key._child.pid, signal.SIGKILL)
    key._child.wait()
    verify_signature(key.public_key, b"m", key.sign(b"m"))
    key.close()


def test_errors_of_the_worker_arrive_as_errors(new_store: StoreMaker) -> None:
    uri = new_store("one")
    with pytest.raises(KeyAccessError, match="refuses the PIN"):
        open_key(str(uri), pin="wrong-pin-000")
    with pytest.raises(KeyAccessError, match="exactly one expected"):
        open_key(str(uri.with_object("absent")))
