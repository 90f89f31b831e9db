"""Replay a file of blocks into a fresh state machine and print what it answers; run by `test_determinism.py`.

    python replaying.py BLOCKS      BLOCKS: JSON {genesis, blocks: [{height, time_ns, txs: [hex], misbehavior: [..]}]}

One line a height: app hash, and a digest of results and validator updates. With `--check`, each transaction is checked
first, as a node does that had it in its mempool.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from gchain_node.app import App
from gchain_node.messages import Block, InitChain, Misbehavior, ValidatorUpdate
from gchain_node.proof.rpc_json import parse_time, validators_from_json
from gchain_node.store import Store


def main() -> None:
    document = json.loads(Path(sys.argv[1]).read_text())
    genesis, app = document["genesis"], App(Store(None))
    validators = tuple(
        ValidatorUpdate(v.key_type, v.public_key, v.power)
        for v in validators_from_json(genesis["validators"]).validators
    )
    app_state = json.dumps(genesis["app_state"]).encode()
    start = InitChain(
        genesis["chain_id"], parse_time(genesis["genesis_time"]), 1, app_state, validators, genesis["consensus_params"]
    )
    print(0, app.init_chain(start).app_hash.hex())
    for block in document["blocks"]:
        txs = tuple(bytes.fromhex(raw) for raw in block["txs"])
        if "--check" in sys.argv:
            for raw in txs:
                app.check_tx(raw)
        reports = tuple(Misbehavior(**(m | {"address": bytes.fromhex(m["address"])})) for m in block["misbehavior"])
        result = app.finalize_block(Block(block["height"], block["time_ns"], txs, misbehavior=reports))
        app.commit()
        rows = [(int(r.code), r.data.hex(), r.gas_used) for r in result.tx_results]
        digest = hashlib.sha256(repr((rows, result.validator_updates)).encode()).hexdigest()
        print(block["height"], result.app_hash.hex(), digest)


if __name__ == "__main__":
    main()
