#!/usr/bin/python
"""Make PKCS#11 tokens and the keys inside them on a host; PINs are made there, sealed there, and leave it never."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_tokens
short_description: Tokens, sealed PINs and keys that cannot be extracted
description:
  - Makes each token's PINs on the host, seals them with C(systemd-creds) before the token is initialised, and has the
    ledger's own program make the keys inside. A PIN is in clear only in a private directory of a tmpfs while this
    module runs.
  - A registered key is used if the token holds it, and refused otherwise; it is never made anew.
  - With C(initialise) false the product made the token and the operator sealed its PIN: a token that is away or refuses
    the PIN is an error.
options:
  program: {description: path of C(gchain-node), type: path, required: true}
  module_path: {description: the PKCS#11 module, type: path, required: true}
  credentials: {description: directory of the sealed PINs, type: path, required: true}
  store: {description: SoftHSM's directory, one subdirectory a token; left out for other vendors, type: path}
  initialise: {description: make tokens and PINs that are missing, type: bool, default: true}
  registered: {description: public keys that the ledger knows by key name, type: dict, default: {}}
  tokens:
    description: the tokens of this host
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: what the kit calls the token and its PIN, type: str, required: true}
      label: {description: the token's label in the HSM, type: str, required: true}
      user: {description: the user that owns it, type: str, required: true}
      keys:
        description: the keys in it
        type: list
        elements: dict
        required: true
        suboptions:
          name: {description: object label, type: str, required: true}
          type: {description: key type, type: str, choices: [p256, ed25519, secp256k1], required: true}
author: G-Chain kit
"""

EXAMPLES = r"""
- name: Make the validator's token
  host_tokens:
    program: /opt/gchain/venv/bin/gchain-node
    module_path: /usr/lib/softhsm/libsofthsm2.so
    credentials: /etc/gchain/credentials
    store: /var/lib/gchain/hsm
    tokens:
      - {name: validator, label: validator, user: gchain-signer, keys: [{name: consensus, type: ed25519}]}
"""

RETURN = r"""
keys:
  description: public key (base64url DER) by key name
  type: dict
  returned: always
created:
  description: what was made, tokens and keys
  type: list
  returned: always
"""


class _Token:
    """One token on this host, as far as its sealed PINs and the ledger's program let us see it."""

    def __init__(self, module: AnsibleModule, wanted: dict[str, Any], scratch: Path) -> None:
        self._module, self._wanted, self._scratch = module, wanted, scratch
        self.name: str = wanted["name"]
        self.label: str = wanted["label"]
        self._pin = scratch / f"{self.name}-pin"
        self._so_pin = scratch / f"{self.name}-so-pin"

    def _sealed(self, plain: Path) -> Path:
        return Path(self._module.params["credentials"]) / plain.name

    def is_sealed(self) -> bool:
        return self._sealed(self._pin).exists()

    def has_store(self) -> bool:
        store = self._module.params["store"]
        return bool(store) and any(Path(store, self.name, "tokens").glob("*"))

    def make_pins(self) -> None:
        """Seal new PINs first: a token whose PIN nobody kept would be lost, a PIN without a token costs nothing."""
        for plain in (self._so_pin, self._pin):
            self._write(plain, secrets.token_hex(24))
            draft = self._sealed(plain).with_suffix(".new")
            self._check(["systemd-creds", "encrypt", f"--name={plain.name}", str(plain), str(draft)])
            draft.chmod(0o600)
            draft.rename(self._sealed(plain))

    def open_pins(self) -> None:
        for plain in (self._so_pin, self._pin) if self._module.params["initialise"] else (self._pin,):
            sealed = self._sealed(plain)
            self._write(
                plain, self._check(["systemd-creds", "decrypt", f"--name={plain.name}", str(sealed), "-"]).strip()
            )

    def _write(self, plain: Path, pin: str) -> None:
        plain.touch(mode=0o600)
        plain.write_text(pin + "\n")

    def initialise(self) -> bool:
        arguments = [f"--label={self.label}", f"--pin-file={self._pin}", f"--so-pin-file={self._so_pin}"]
        report = self._program("token-init", [*arguments, f"--module={self._module.params['module_path']}"])
        return bool(report["created"])

    def list(self) -> dict[str, dict[str, Any]]:
        return {row["label"]: row for row in self._program("list", [f"--uri={self._uri('')}"])}

    def generate(self, key: dict[str, Any]) -> str:
        report = self._program("generate", [f"--uri={self._uri(key['name'])}", f"--type={key['type']}"])
        return str(report["public_key"])

    def _uri(self, name: str) -> str:
        found = f"object={name};type=private" if name else ""
        path = ";".join(filter(None, [f"token={quote(self.label, safe='')}", found]))
        return f"pkcs11:{path}?module-path={self._module.params['module_path']}&pin-source=file:{self._pin}"

    def _program(self, command: str, arguments: list[str]) -> Any:
        store = self._module.params["store"]
        place = [f"--store={store}/{self.name}"] if store else []
        full = [self._module.params["program"], "keys", command, *arguments, *place, f"--user={self._wanted['user']}"]
        return json.loads(self._check([*full, "--json"]))

    def _check(self, command: list[str]) -> str:
        code, out, err = self._module.run_command(command)
        if code != 0:
            self._module.fail_json(msg=f"token {self.label}: {err.strip() or f'{command[0]} ended with {code}'}")
        return str(out)


def _refuse_half_a_token(module: AnsibleModule, token: _Token) -> None:
    """A token without its PIN, or a PIN whose token is gone, is for a person to look at."""
    credentials = module.params["credentials"]
    if token.has_store() and not token.is_sealed():
        module.fail_json(
            msg=f"token {token.label} is there, but its sealed PIN {credentials}/{token.name}-pin is missing: restore "
            "the PIN file, or remove the token's store if its keys were never registered"
        )
    if not module.params["initialise"] and not token.is_sealed():
        module.fail_json(
            msg=f"token {token.label} is the product's own, and its PIN is not sealed on this host: make the user with "
            "the product's tools, then run "
            f"`systemd-creds encrypt --name={token.name}-pin - {credentials}/{token.name}-pin`"
        )


def _converge_keys(
    module: AnsibleModule, token: _Token, wanted: list[dict[str, Any]], made: list[str]
) -> dict[str, str]:
    registered = module.params["registered"]
    present = token.list()
    keys: dict[str, str] = {}
    for key in wanted:
        name = key["name"]
        if name in present:
            keys[name] = present[name]["public_key"]
        elif name in registered:
            module.fail_json(
                msg=f"token {token.label} holds no key {name!r}, but the ledger has {registered[name]} registered "
                "and a registered key is never made anew. Bring the token back, or register a new key by rotation"
            )
        else:
            keys[name] = token.generate(key)
            made.append(f"key {name}")
        if registered.get(name, keys[name]) != keys[name]:
            module.fail_json(
                msg=f"token {token.label} holds a key {name!r} that is not the registered one: found {keys[name]}, "
                f"registered {registered[name]}. Bring the right token back, or remove this one"
            )
    return keys


def _converge(module: AnsibleModule, scratch: Path) -> tuple[dict[str, str], list[str]]:
    keys: dict[str, str] = {}
    made: list[str] = []
    for wanted in module.params["tokens"]:
        token = _Token(module, wanted, scratch)
        _refuse_half_a_token(module, token)
        if module.check_mode and not token.is_sealed():
            made.append(f"token {token.label}")
            continue
        if token.is_sealed():
            token.open_pins()
        else:
            token.make_pins()
        wanting = module.params["initialise"] and not module.check_mode and not token.has_store()
        if wanting and token.initialise():
            made.append(f"token {token.label}")
        keys |= _converge_keys(module, token, wanted["keys"], made)
    return keys, made


def main() -> None:
    key = {
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "choices": ["p256", "ed25519", "secp256k1"], "required": True},
    }
    token = {
        "name": {"type": "str", "required": True},
        "label": {"type": "str", "required": True},
        "user": {"type": "str", "required": True},
        "keys": {"type": "list", "elements": "dict", "required": True, "options": key, "no_log": False},
    }
    module = AnsibleModule(
        argument_spec={
            "program": {"type": "path", "required": True},
            "module_path": {"type": "path", "required": True},
            "credentials": {"type": "path", "required": True},
            "store": {"type": "path"},
            "initialise": {"type": "bool", "default": True},
            "registered": {"type": "dict", "default": {}},
            "tokens": {"type": "list", "elements": "dict", "required": True, "options": token, "no_log": False},
        },
        supports_check_mode=True,
    )
    scratch = Path(tempfile.mkdtemp(prefix="gchain-tokens-", dir="/run"))
    try:
        keys, made = _converge(module, scratch)
    finally:
        shutil.rmtree(scratch)
    module.exit_json(changed=bool(made), keys=keys, created=made)


if __name__ == "__main__":
    main()
