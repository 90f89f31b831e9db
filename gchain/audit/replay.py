"""The ledger's state made again, block by block: what each transaction did, and the root after each block."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2

from gchain.audit import wire
from gchain.audit.consensus import Validators
from gchain.audit.findings import AuditError, expect
from gchain.audit.transactions import Parsed, Refused, parse, use_number, verify
from gchain.audit.trees import LogHead, StateTree
from gchain_node import evidence, validators
from gchain_node.codes import Code
from gchain_node.errors import GenesisError, NodeError, TransactionError, VerificationError
from gchain_node.genesis import initial_state
from gchain_node.messages import Block, InitChain, Misbehavior, ValidatorUpdate, Vote
from gchain_node.modules import MODULES, OPEN_WHILE_FORMING, rotation
from gchain_node.modules.context import Context, Signer
from gchain_node.state import State

__all__ = ["Replay", "Turn"]

_ILL_FORMED = {Code.MALFORMED, Code.NOT_CANONICAL, Code.TOO_LARGE, Code.TOO_DEEP, Code.ALGORITHM_NOT_ALLOWED}
_DEFECTS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, GenesisError,
    VerificationError,
)  # fmt: skip


@dataclass(frozen=True)
class Turn:
    """What one block brings: its JSON header, transactions, votes of the commit in it, evidence."""

    header: Mapping[str, Any]
    txs: Sequence[bytes]
    results: Sequence[Sequence[Any]]
    votes: Sequence[tuple[bytes, int, bool]]
    evidence: Sequence[Mapping[str, Any]]

    @property
    def height(self) -> int:
        return int(self.header["height"])


class _Values:
    """The committed values, as the state overlay asks for them."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        return sorted((key, value) for key, value in self.rows.items() if key.startswith(prefix))


@dataclass
class Replay:
    """Starts from genesis. `signatures` counts those of transactions that were verified."""

    genesis: Mapping[str, Any]
    signatures: int = 0
    log: LogHead = field(default_factory=LogHead)
    _values: _Values = field(default_factory=_Values)
    _tree: StateTree = field(default_factory=StateTree)
    root: bytes = b""

    def __post_init__(self) -> None:
        document = self.genesis
        rows = Validators.from_json(document["validators"]).rows
        updates = tuple(ValidatorUpdate(*row) for row in rows)
        app_state = json.dumps(document["app_state"]).encode()
        time_ns, first = wire.nanoseconds(document["genesis_time"]), int(document["initial_height"])
        request = InitChain(
            document["chain_id"], time_ns, first, app_state, updates, document.get("consensus_params", {})
        )
        state = State(self._values)
        try:
            initial_state(state, request)
        except NodeError as error:
            raise AuditError(f"genesis makes no state: {error}") from error
        self._put_log(state)
        self._settle(state)

    @property
    def keys(self) -> int:
        return len(self._values.rows)

    def play(self, turn: Turn) -> list[tuple[str, bytes, int]]:
        """Carry out a block; what the validator set is told, effective two heights on. Raises `AuditError`."""
        state, updates = State(self._values), list[ValidatorUpdate]()
        for index, (raw, result) in enumerate(zip(turn.txs, turn.results, strict=True)):
            found = self._deliver(state, raw, turn, updates, result)
            expect(f"transaction {index} ({sha256(raw).hexdigest()}): its result", found, list(result), turn.height)
        block = self._block(turn)
        updates.extend(rotation.due(state, block))
        for report in block.misbehavior:
            evidence.report(state, report, turn.height)
        told = validators.settle(state, updates)
        if told:
            known = (state.get("governance/validator-changes") or {"heights": []})["heights"]
            state.put("governance/validator-changes", {"heights": [*known, turn.height + 1]})
        if turn.txs:
            self._append(state, turn)
        self._settle(state)
        return [(update.key_type, update.public_key, update.power) for update in told]

    def _append(self, state: State, turn: Turn) -> None:
        for index, (raw, result) in enumerate(zip(turn.txs, turn.results, strict=True)):
            entry = {
                "code": result[0], "data": sha256(result[1]).digest(), "height": turn.height, "index": index,
                "tx": sha256(raw).digest(),
            }  # fmt: skip
            self.log.append(cbor2.dumps(entry, canonical=True))
        self._put_log(state)

    def _put_log(self, state: State) -> None:
        state.put("log", {"size": self.log.size, "root": self.log.root(), "subtrees": self.log.subtrees()})

    def _settle(self, state: State) -> None:
        changes = state.changes()
        self.root = self._tree.update(changes.items())
        for key, value in changes.items():
            if value is None:
                self._values.rows.pop(key, None)
            else:
                self._values.rows[key] = value

    def _deliver(
        self, state: State, raw: bytes, turn: Turn, updates: list[ValidatorUpdate], expected: Sequence[Any]
    ) -> list[Any]:
        size = len(raw)
        try:
            parsed = parse(raw)
            with state.transaction():
                context = self._admit(state, parsed, turn)
            with state.transaction():
                data = _act(context, parsed, updates)
        except Refused as refused:
            ill_formed = refused.code is None and expected[0] in _ILL_FORMED
            return [expected[0] if ill_formed else int(refused.code or Code.MALFORMED), b"", size, size]
        except TransactionError as error:
            return [int(error.code), b"", size, size]
        updates.extend(context.validator_updates)
        return [0, data, size, size]

    def _admit(self, state: State, parsed: Parsed, turn: Turn) -> Context:
        fields, height = parsed.fields, turn.height
        if fields["chain_id"] != turn.header["chain_id"]:
            raise Refused(Code.WRONG_CHAIN)
        if fields["expires_height"] < height:
            raise Refused(Code.EXPIRED)
        known = state.get(f"keys/{parsed.kid.hex()}")
        if known is None:
            raise Refused(Code.UNKNOWN_KEY)
        if "until" in known and known["until"] < height:
            raise Refused(Code.KEY_RETIRED)
        signer = Signer(known["member"], known["officer"], parsed.kid)
        if fields["signer"] != signer.name:
            raise Refused(Code.SIGNER_MISMATCH)
        verify(parsed, known["public_key"])
        self.signatures += 1
        if state.get(f"members/{signer.member}")["status"] != "active":
            raise Refused(Code.MEMBER_SUSPENDED)
        if fields["module"] not in MODULES:
            raise Refused(Code.UNKNOWN_MODULE)
        if fields["action"] not in MODULES[fields["module"]]:
            raise Refused(Code.UNKNOWN_ACTION)
        if fields["module"] not in OPEN_WHILE_FORMING and state.get("consortium")["phase"] != "live":
            raise Refused(Code.FORMING)
        use_number(state, signer.name, fields["nonce"], ordered="ordered" in fields)
        return Context(state, fields["chain_id"], height, wire.nanoseconds(turn.header["time"]), signer)

    def _block(self, turn: Turn) -> Block:
        proposer = bytes.fromhex(turn.header["proposer_address"])
        reports = tuple(_misbehavior(entry) for entry in turn.evidence)
        last = tuple(Vote(*vote) for vote in turn.votes)
        return Block(
            turn.height, wire.nanoseconds(turn.header["time"]), tuple(turn.txs), proposer, reports, last_commit=last
        )


def _act(context: Context, parsed: Parsed, updates: Sequence[ValidatorUpdate]) -> bytes:
    """The action's provable data."""
    action = MODULES[parsed.fields["module"]][parsed.fields["action"]]
    try:
        effect = action(context, parsed.fields["args"])
    except _DEFECTS as error:
        raise Refused(Code.INTERNAL) from error
    validators.check(context.state, [*updates, *context.validator_updates])
    return cbor2.dumps(effect.data, canonical=True)


def _misbehavior(entry: Mapping[str, Any]) -> Misbehavior:
    value = entry["value"]
    vote = value["vote_a"]
    return Misbehavior(
        kind="duplicate_vote",
        address=bytes.fromhex(vote["validator_address"]),
        power=int(value["ValidatorPower"]),
        height=int(vote["height"]),
        time_ns=wire.nanoseconds(value["Timestamp"]),
        total_voting_power=int(value["TotalVotingPower"]),
    )
