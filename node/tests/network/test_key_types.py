"""A ledger whose consensus keys are secp256k1, as an HSM without Ed25519 demands: four signers, each with its key in a
token of its own, under real engines. Everything else in this directory runs with Ed25519.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from gchain_node import genesis
from gchain_node.contribution import prove_validator
from gchain_node.development import DevelopmentMember
from gchain_node.keys import Key, open_key
from gchain_node.keys.possession import encode_signature
from gchain_node.proof.receipt import verify_receipt
from gchain_node.proof.trust import from_genesis
from node.tests.network.ledger import Ledger, Ledgers
from node.tests.network.process import Process, wait_until
from node.tests.network.validator import Validator

pytestmark = pytest.mark.slow


@dataclass
class TokenSigner:
    """A validator's signer process, with its key in a token."""

    home: Path
    uri: str
    chain_id: str
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        self.process = Process(self._command("run"), self.home / "signer.log")

    def configure(self) -> None:
        (self.home / "signer.toml").write_text(
            f'chain_id = "{self.chain_id}"\nkey = "{self.uri}"\nkey_type = "secp256k1"\n'
            f'socket = "unix://{self.home}/pv.sock"\njournal = "{self.home}/journal"\n'
            f'[fence]\nview = "{self.home}/view.json"\n'
        )
        with (self.home / "node.toml").open("a") as file:
            file.write(f'[signer]\nview = "{self.home}/view.json"\n')
        subprocess.run([*self._command("init"), "--initial-height", "1"], check=True, capture_output=True)

    def end(self) -> None:
        if self.process.running is not None:
            self.process.kill()

    def _command(self, word: str) -> list[str]:
        return [sys.executable, "-m", "gchain_node", "signer", word, "--config", str(self.home / "signer.toml")]


def _genesis(ledger: Ledger, keys: list[Key]) -> dict[str, Any]:
    """The ledger's genesis with these validator keys in the members' contributions."""
    known = ledger.consortium.genesis
    state = known["app_state"]
    settings = genesis.Settings(
        **{name: state[name] for name in ("consortium", "convenor", "environment", "zone_digest")},
        **{name: known[name] for name in ("chain_id", "genesis_time")},
        validator_key_type="secp256k1",
    )
    pairs = zip(ledger.consortium.members, keys, strict=True)
    return genesis.build([_contribution(member, key) for member, key in pairs], settings, state["rules"])


def _contribution(member: DevelopmentMember, validator: Key) -> dict[str, Any]:
    known = member.contribution["payload"]
    proven = prove_validator(validator, consortium=known["consortium"], member=member.name)
    payload = known | {"validator": proven}
    return {"payload": payload, "signature": encode_signature(member.keys["member"].sign(rfc8785.dumps(payload)))}


@pytest.fixture
def running(ledgers: Ledgers, new_token: Callable[[], Any]) -> Iterator[tuple[Ledger, list[TokenSigner]]]:
    """Four validators that have made their first blocks, and their signers; the ledger's genesis has their keys."""
    ledger = ledgers.make(4)
    uris = [new_token().add("consensus", "secp256k1") for _ in ledger.validators]
    keys = [open_key(uri) for uri in uris]
    document = _genesis(ledger, keys)
    for key in keys:
        key.close()
    signers = [TokenSigner(v.home, uri, document["chain_id"]) for v, uri in zip(ledger.validators, uris, strict=True)]
    ledger.consortium = replace(ledger.consortium, genesis=document)
    try:
        for validator, signer in zip(ledger.validators, signers, strict=True):
            _begin(validator, signer, document)
        ledger.start()
        yield ledger, signers
    finally:
        for signer in signers:
            signer.end()


def _begin(validator: Validator, signer: TokenSigner, document: dict[str, Any]) -> None:
    """Its files for this genesis, no key in any of them, and its signer running."""
    for path in (validator.home / "genesis.json", validator.home / "engine" / "config" / "genesis.json"):
        path.write_text(json.dumps(document))
    (validator.home / "engine" / "config" / "priv_validator_key.json").unlink()
    validator.set_engine({"": {"priv_validator_laddr": f"unix://{validator.home}/pv.sock"}})
    signer.configure()
    signer.process.start()


def test_four_secp256k1_validators_in_tokens_make_a_ledger_whose_receipts_verify(
    running: tuple[Ledger, list[TokenSigner]],
) -> None:
    ledger, signers = running
    ledger.go_live()
    first = ledger.validators[0]
    known = first.ask("validators?height=1")["validators"]
    assert [each["pub_key"]["type"] for each in known] == ["tendermint/PubKeySecp256k1"] * 4
    outcome = ledger.commit_record(first, "with-secp256k1")
    wait_until("the blocks after it", lambda: first.has_reached(outcome.height + 2))
    document = ledger.consortium.genesis
    with first.client() as client:
        receipt = client.receipt(outcome.hash, verified=False)
    proven = verify_receipt(receipt, from_genesis(document, genesis.digest(document)))
    assert proven.attested is not None
    assert proven.attested.signers.power >= 30
    wait_until("a block that all four signed", lambda: _flags(first, first.engine_height() - 1) == [2, 2, 2, 2])
    _goes_on_with_three(ledger, signers[3])


def _goes_on_with_three(ledger: Ledger, lost: TokenSigner) -> None:
    lost.end()
    first = ledger.validators[0]
    gone = first.engine_height() + 2
    wait_until("blocks of three", lambda: first.engine_height() > gone + 1)
    assert sorted(_flags(first, gone)) == [1, 2, 2, 2]
    lost.process.start()
    wait_until("the fourth's votes again", lambda: _flags(first, first.engine_height() - 1) == [2, 2, 2, 2])
    ledger.agree(gone)


def _flags(validator: Validator, height: int) -> list[int]:
    """Of each validator in this block's commit: 2 where it voted for the block, 1 where its vote is missing."""
    found = validator.ask(f"commit?height={height}")
    return [each["block_id_flag"] for each in found["signed_header"]["commit"]["signatures"]] if found else []
