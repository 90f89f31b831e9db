"""How many blocks a validator misses whose HSM takes long for each signature: four real engines, one slow signer."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.network import Testnet, answer_of, run_testnet, start_process, wait_until
from gchain_node.keys import PublicKey, cometbft_address, cometbft_bytes, open_key

__all__ = ["Missed", "measure"]

_CHAIN, _SKIP = "gchain-slow", 3  # the first blocks show the network finding itself


@dataclass(frozen=True)
class Missed:
    """Of `blocks` blocks in `seconds`, so many without the vote of the validator whose HSM adds `delay_ms`."""

    delay_ms: int
    blocks: int
    missed: int
    seconds: float


def measure(uri: str, delay_ms: int, blocks: int, directory: Path, *, port: int = 19_400) -> Missed:
    """Run the network for `blocks` blocks, validator 0 signing with the ed25519 key `uri`."""
    directory.mkdir()
    public = open_key(uri).public_key
    with ExitStack() as stack:

        def prepare(number: int, home: Path) -> None:
            if number == 0:
                _start_signer(stack, home, uri)

        network = stack.enter_context(
            run_testnet(
                directory / "net",
                port=port,
                prepare=prepare,
                genesis=lambda document: _with_key(document, public),
            )
        )
        return _count(network, cometbft_address(public).hex().upper(), delay_ms, blocks)


def _start_signer(stack: ExitStack, home: Path, uri: str) -> None:
    config = home / "config" / "config.toml"
    laddr = f'priv_validator_laddr = "unix://{home}/privval.sock"'
    config.write_text(config.read_text().replace('priv_validator_laddr = ""', laddr))
    settings = home / "signer.toml"
    settings.write_text(
        f'chain_id = "{_CHAIN}"\nkey = "{uri}"\nkey_type = "ed25519"\nsocket = "unix://{home}/privval.sock"\n'
        f'journal = "{home}/journal"\n'
    )
    command = [sys.executable, "-m", "gchain_node.cli", "signer"]
    begin = [*command, "init", "--config", str(settings), "--initial-height", "1"]
    subprocess.run(begin, check=True, capture_output=True)
    start_process(stack, [*command, "run", "--config", str(settings)], home / "signer.log")


def _with_key(document: dict[str, Any], public: PublicKey) -> dict[str, Any]:
    first = document["validators"][0]
    first["address"] = cometbft_address(public).hex().upper()
    first["pub_key"]["value"] = base64.b64encode(cometbft_bytes(public)).decode()
    return document | {"chain_id": _CHAIN}


def _count(network: Testnet, address: str, delay_ms: int, blocks: int) -> Missed:
    rpc, missed, start = network.rpcs[1], 0, time.monotonic()
    for height in range(1 + _SKIP, 1 + _SKIP + blocks):
        missed += address not in _voters(rpc, height)
    return Missed(delay_ms, blocks, missed, time.monotonic() - start)


def _voters(rpc: str, height: int) -> set[str]:
    """Who signed the block of `height`, as the next block has it."""
    asked, what = f"{rpc}/block?height={height + 1}", f"block {height + 1} of {rpc}"
    found = wait_until(lambda: (answer_of(asked) or {}).get("result"), what, 60)
    signatures = found["block"]["last_commit"]["signatures"]
    return {each["validator_address"] for each in signatures if each["block_id_flag"] == 2}
