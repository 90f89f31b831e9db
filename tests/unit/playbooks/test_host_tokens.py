"""`host_tokens` with a token that the product initialised: found and tried, used for both purposes, never made anew.

The product is SoftHSM with one token under a label of its own, reached as another vendor's module is: without a store.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gchain.workspace import REPOSITORY
from gchain_node.keys import Pkcs11Uri
from gchain_node.keys.softhsm import SoftHsmStore
from gchain_node.keys.uri import DEFAULT_MODULE

MODULE = REPOSITORY / "playbooks" / "library" / "host_tokens.py"
LABEL = "Agency HSM"
NAMES = {"validator": ["consensus"], "member": ["member", "receipt", "tls"]}


def _program() -> str:
    return str(Path(sys.executable).parent / "gchain-node")


@dataclass
class Product:
    """One initialised token, and a host's directory of sealed PINs."""

    directory: Path
    pin: str = field(default_factory=lambda: f"crypto-user:{secrets.token_hex(12)}")

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SOFTHSM2_CONF": str(SoftHsmStore(self.directory / "product").configuration)}

    def initialise(self) -> None:
        """With the product's own tools."""
        SoftHsmStore(self.directory / "product").create()
        (self.directory / "credentials").mkdir()
        for name, pin in (("pin", self.pin), ("so-pin", secrets.token_hex(12))):
            (self.directory / name).write_text(f"{pin}\n")
        files = [f"--{name}-file={self.directory / name}" for name in ("pin", "so-pin")]
        self._run([_program(), "keys", "token-init", f"--label={LABEL}", *files])

    def seal(self, name: str, pin: str) -> None:
        sealed = self.directory / "credentials" / f"{name}-pin"
        self._run(["systemd-creds", "encrypt", f"--name={name}-pin", "-", str(sealed)], f"{pin}\n")

    def converge(self, label: str = LABEL, check: bool = False, **more: Any) -> dict[str, Any]:
        wanted = [
            {"name": name, "label": label, "user": "root", "keys": [{"name": key, "type": "p256"} for key in keys]}
            for name, keys in NAMES.items()
        ]
        arguments = {"program": _program(), "module_path": DEFAULT_MODULE, "tokens": wanted, "initialise": False}
        arguments |= {"credentials": str(self.directory / "credentials"), "_ansible_check_mode": check} | more
        done = subprocess.run(
            [sys.executable, str(MODULE)],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            check=False,
            env=self.environment,
        )
        found: dict[str, Any] = json.loads(done.stdout)
        assert self.pin not in done.stdout + done.stderr
        return found

    def objects(self) -> list[str]:
        uri = Pkcs11Uri(token=LABEL, pin_source=self.directory / "pin")
        return [row["label"] for row in json.loads(self._run([_program(), "keys", "list", f"--uri={uri}", "--json"]))]

    def tokens(self) -> int:
        return len(list((self.directory / "product" / "tokens").iterdir()))

    def _run(self, line: list[str], text: str = "") -> str:
        done = subprocess.run(line, input=text, capture_output=True, text=True, check=False, env=self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def product(tmp_path: Path) -> Product:
    if os.geteuid() != 0 or shutil.which("systemd-creds") is None:
        pytest.skip("sealing a PIN needs root and systemd-creds (package systemd)")
    made = Product(tmp_path)
    made.initialise()
    return made


def _sealed(product: Product, pin: str = "") -> Product:
    for name in NAMES:
        product.seal(name, pin or product.pin)
    return product


def test_both_purposes_have_their_keys_in_the_one_token_and_a_second_run_makes_none(product: Product) -> None:
    first = _sealed(product).converge()
    assert first["created"] == ["key consensus", "key member", "key receipt", "key tls"]
    assert product.objects() == ["consensus", "member", "receipt", "tls"]
    second = product.converge()
    assert (second["changed"], second["created"], second["keys"]) == (False, [], first["keys"])
    assert product.tokens() == 1


@pytest.mark.slow
def test_a_registered_key_that_the_product_does_not_hold_is_not_made_anew(product: Product) -> None:
    refused = _sealed(product).converge(registered={"consensus": "another"})
    assert refused["failed"]
    assert "holds no key 'consensus', but the ledger has another registered" in refused["msg"]
    assert product.objects() == []


@pytest.mark.slow
@pytest.mark.parametrize("check", [False, True])
def test_a_pin_that_nobody_sealed_is_asked_for_by_name(product: Product, check: bool) -> None:
    product.seal("validator", product.pin)
    refused = product.converge(check=check)
    assert refused["failed"]
    assert f"systemd-creds encrypt --name=member-pin - {product.directory}/credentials/member-pin" in refused["msg"]


@pytest.mark.slow
def test_a_token_that_is_not_there_is_not_made(product: Product) -> None:
    refused = _sealed(product).converge(label="hsm1")
    assert refused["failed"]
    assert f"no token token=hsm1 in {DEFAULT_MODULE}; tokens found: '{LABEL}'" in refused["msg"]
    assert product.tokens() == 1


@pytest.mark.slow
def test_a_pin_that_the_product_refuses_is_an_error(product: Product) -> None:
    refused = _sealed(product, "crypto-user:another one").converge()
    assert refused["failed"]
    assert f"token '{LABEL}' refuses the PIN" in refused["msg"]
    assert product.tokens() == 1
