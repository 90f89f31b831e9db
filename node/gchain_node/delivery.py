"""One transaction against the state: admission, then the module's action. The same code for mempool and block.

A transaction that is not admitted (unknown key, bad signature, replay, expiry, phase) writes nothing. One that is
admitted uses its number, also when the action refuses it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import cbor2

from gchain_node import cbor, replay, validators
from gchain_node.codes import Code
from gchain_node.errors import GenesisError, TransactionError, VerificationError
from gchain_node.messages import Attribute, Event, TxResult, ValidatorUpdate
from gchain_node.modules import MODULES, OPEN_WHILE_FORMING
from gchain_node.modules.context import Action, Context, Effect, Signer
from gchain_node.state import State
from gchain_node.tx import SignedTx
from gchain_node.verified import VerifiedTransactions

__all__ = ["Delivery", "Moment", "refusal"]

_log = logging.getLogger(__name__)
_DEFECTS: Final = (
    ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError, GenesisError,
    VerificationError,
)  # fmt: skip


class Moment(NamedTuple):
    """Which block a transaction is judged for."""

    chain_id: str
    height: int
    time_ns: int


class Delivery:
    """Applies transactions; holds nothing but the memory of good signatures."""

    def __init__(self, verified: VerifiedTransactions) -> None:
        self._verified = verified

    def check(self, state: State, signed: SignedTx, moment: Moment) -> TxResult:
        """The code, log and gas that `deliver` would answer now. Only success leaves a trace, so that a follow-up sees
        it.
        """
        state.begin()
        try:
            context = self._admit(state, signed, moment)
            _effect(context, signed)
            if context.validator_updates:
                validators.check(state, context.validator_updates)
        except TransactionError as error:
            state.abandon()
            return refusal(signed.raw, error)
        except BaseException:
            state.abandon()
            raise
        state.keep()
        return _accepted(len(signed.raw))

    def deliver(self, state: State, raw: bytes, moment: Moment, updates: list[ValidatorUpdate]) -> TxResult:
        """Apply a transaction of a block; `updates` gains what the engine must be told."""
        try:
            signed = self._verified.decode(raw)
        except TransactionError as error:
            return refusal(raw, error)
        state.begin()
        try:
            context = self._admit(state, signed, moment)
            state.keep()
            state.begin()
            result = _run(context, signed, updates)
        except TransactionError as error:
            state.abandon()
            return refusal(raw, error)
        except BaseException:
            state.abandon()
            raise
        state.keep()
        updates.extend(context.validator_updates)
        return result

    def plausible(self, state: State, raw: bytes, moment: Moment) -> bool:
        """False for a transaction that could never be valid in this block, whatever stands before it.

        `state` is what is committed. A key that is not there may be entered by a transaction before this one; a number
        that was used stays used.
        """
        try:
            signed = self._verified.decode(raw)
            _check_moment(signed, moment)
            action_of(signed)
            entry = state.peek(f"keys/{signed.envelope.kid.hex()}")
            if entry is not None:
                self._verified.verify(signed, entry["public_key"])
                replay.refuse_spent(state, signed.tx.signer, signed.tx.nonce)
        except TransactionError:
            return False
        return True

    def _admit(self, state: State, signed: SignedTx, moment: Moment) -> Context:
        _check_moment(signed, moment)
        signer = self._authenticate(state, signed, moment.height)
        action_of(signed)
        if signed.tx.module not in OPEN_WHILE_FORMING and state.peek("consortium")["phase"] != "live":
            raise TransactionError(
                Code.FORMING,
                f"the consortium is forming: {signed.tx.module}/{signed.tx.action} waits until the ledger is live",
            )
        replay.use(state, signer.name, signed.tx.nonce, ordered=signed.tx.ordered)
        return Context(state, moment.chain_id, moment.height, moment.time_ns, signer)

    def _authenticate(self, state: State, signed: SignedTx, height: int) -> Signer:
        kid = signed.envelope.kid
        entry = state.peek(f"keys/{kid.hex()}")
        if entry is None:
            raise TransactionError(Code.UNKNOWN_KEY, f"key {kid.hex()} belongs to no member or officer of this ledger")
        if height > entry.get("until", height):
            raise TransactionError(
                Code.KEY_RETIRED, f"key {kid.hex()} was replaced and signed up to height {entry['until']} alone"
            )
        signer = Signer(entry["member"], entry["officer"], kid)
        if signed.tx.signer != signer.name:
            raise TransactionError(
                Code.SIGNER_MISMATCH, f"the key is {signer.name}'s, the transaction says {signed.tx.signer}"
            )
        self._verified.verify(signed, entry["public_key"])
        if state.peek(f"members/{signer.member}")["status"] != "active":
            raise TransactionError(Code.MEMBER_SUSPENDED, f"member {signer.member} is suspended")
        return signer


def action_of(signed: SignedTx) -> Action:
    """The action that a transaction names. Raises `TransactionError`."""
    module = MODULES.get(signed.tx.module)
    if module is None:
        raise TransactionError(
            Code.UNKNOWN_MODULE, f"there is no module {signed.tx.module}; there are {', '.join(MODULES)}"
        )
    if signed.tx.action not in module:
        raise TransactionError(
            Code.UNKNOWN_ACTION, f"{signed.tx.module} has no action {signed.tx.action}; it has {', '.join(module)}"
        )
    return module[signed.tx.action]


def _check_moment(signed: SignedTx, moment: Moment) -> None:
    if signed.tx.chain_id != moment.chain_id:
        raise TransactionError(
            Code.WRONG_CHAIN, f"the transaction is for {signed.tx.chain_id}, this is {moment.chain_id}"
        )
    if signed.tx.expires_height < moment.height:
        raise TransactionError(
            Code.EXPIRED, f"the transaction expired at height {signed.tx.expires_height}; the block is {moment.height}"
        )


def _run(context: Context, signed: SignedTx, updates: Sequence[ValidatorUpdate]) -> TxResult:
    """The action's result; `updates` are those of the block before this transaction."""
    effect = _effect(context, signed)
    if context.validator_updates:
        validators.check(context.state, [*updates, *context.validator_updates])
    attributes = (
        _attribute("action", signed.tx.action),
        _attribute("signer", signed.tx.signer),
        *(Attribute(key, value) for key, value in effect.attributes.items()),
    )
    size = len(signed.raw)
    return TxResult(Code.OK, _encoded(effect, signed), "", size, size, (Event(signed.tx.module, attributes),))


def _effect(context: Context, signed: SignedTx) -> Effect:
    """The action, with a defect of its own turned into a refusal that is the same at every node.

    Otherwise one transaction that finds the defect would end every node that checks it, and each of them again at every
    start. What depends on the machine (`StateError`, `MemoryError`, `RecursionError`) is let through: it must end this
    node and no other.
    """
    action = action_of(signed)
    try:
        return action(context, signed.tx.args)
    except (cbor2.CBORError, *_DEFECTS) as error:
        raise _defect(signed, error) from error


def _encoded(effect: Effect, signed: SignedTx) -> bytes:
    try:
        return cbor.encode(effect.data)
    except (cbor2.CBORError, *_DEFECTS) as error:
        raise _defect(signed, error) from error


def _defect(signed: SignedTx, error: Exception) -> TransactionError:
    name = f"{signed.tx.module}/{signed.tx.action}"
    _log.error("%s failed on transaction %s", name, signed.hash.hex(), exc_info=error)
    return TransactionError(Code.INTERNAL, f"{name} has a defect ({type(error).__name__}): report it")


@lru_cache(maxsize=4096)
def _accepted(size: int) -> TxResult:
    """What the mempool is told of a good transaction of so many bytes."""
    return TxResult(Code.OK, b"", "", size, size)


@lru_cache(maxsize=4096)
def _attribute(key: str, value: str) -> Attribute:
    """Attributes whose values come again and again."""
    return Attribute(key, value)


def refusal(raw: bytes, error: TransactionError) -> TxResult:
    """What a transaction gets that `error` stopped."""
    return TxResult(int(error.code), b"", str(error), len(raw), len(raw))
