"""A SoftHSM token for measuring, and a module in front of it that is as slow as wanted."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from gchain.workspace import REPOSITORY
from gchain_node.keys import Pkcs11Uri
from gchain_node.keys.pin import ensure_pin
from gchain_node.keys.softhsm import SoftHsmStore
from gchain_node.keys.token import as_key_type, generate, init_token
from gchain_node.keys.uri import DEFAULT_MODULE

__all__ = ["new_key", "new_token", "slow_module"]


def new_token(directory: Path) -> Pkcs11Uri:
    """A token in a store that becomes this process's and its children's."""
    store = SoftHsmStore(directory / "hsm")
    store.create()
    store.enter()
    pin, so_pin = ensure_pin(directory / "pin", create=True), ensure_pin(directory / "so-pin", create=True)
    uri = Pkcs11Uri(token="bench", pin_source=directory / "pin")  # noqa: S106 -- a token's label
    init_token(uri, lambda: so_pin, lambda: pin)
    return uri


def new_key(uri: Pkcs11Uri, label: str, key_type: str) -> Pkcs11Uri:
    named, pin_file = uri.with_object(label), uri.pin_source
    if pin_file is None:
        raise ValueError("the bench's token has no PIN file")
    generate(named, lambda: ensure_pin(pin_file, create=False), as_key_type(key_type))
    return named


def slow_module(uri: Pkcs11Uri, directory: Path, milliseconds: int) -> Pkcs11Uri:
    """The same key through a module that takes so much longer for each signature (`node/tests/faulty_hsm.c`)."""
    directory.mkdir()
    source = REPOSITORY / "node" / "tests" / "faulty_hsm.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", directory / "module.so", source, "-ldl"], check=True)
    shutil.copy(DEFAULT_MODULE, directory / "real.so")
    (directory / "faults").write_text(f"delay={milliseconds}")
    return replace(uri, module_path=str(directory / "module.so"))
