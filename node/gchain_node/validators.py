"""The validator set that the engine has been told, and what a block may tell it next.

    governance/validators  {key_types: [...], validators: [{type, public_key, power}]}, sorted by type and key

The engine halts for good when it is told something against its rules (CometBFT v0.38 specification, ABCI, "Validator
updates"; `types/validator_set.go`): a key twice, a key type that genesis does not allow, the removal of a validator
that it does not have, an empty set, a total power above `MAX_TOTAL_POWER`. Therefore no transaction may ask for such a
thing (`check`), and what a block asks for is reduced to its difference from the set before it (`settle`): a member who
is promoted and suspended in one block is nothing to the engine. The set written at height H signs from H + 2 on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from gchain_node.codes import Code
from gchain_node.errors import TransactionError
from gchain_node.messages import ValidatorUpdate
from gchain_node.state import State

__all__ = ["MAX_TOTAL_POWER", "PATH", "begin", "check", "settle"]

PATH: Final = "governance/validators"
MAX_TOTAL_POWER: Final = (2**63 - 1) // 8
_KEY_BYTES: Final = {"ed25519": 32, "secp256k1": 33}

_Key = tuple[str, bytes]


def begin(state: State, validators: Iterable[ValidatorUpdate], key_types: Sequence[str]) -> None:
    """Write the set of genesis. `key_types` are those that genesis allows; none named means those in use."""
    powers = {(v.key_type, v.public_key): v.power for v in validators}
    _write(state, powers, sorted(set(key_types) or {kind for kind, _ in powers}))


def check(state: State, updates: Sequence[ValidatorUpdate]) -> None:
    """Refuse what the engine must not be told after what the block asked for already.

    Args:
        updates: all of the block so far, the transaction's own last.

    Raises:
        TransactionError: `REFUSED_BY_RULES`.
    """
    if not updates:
        return
    types = state.get(PATH)["key_types"]
    for update in updates:
        _check_key(update, types)
    powers = _applied(_powers(state), updates)
    if not powers:
        raise TransactionError(Code.REFUSED_BY_RULES, "no validator would be left")
    total = sum(powers.values())
    if total > MAX_TOTAL_POWER:
        raise TransactionError(
            Code.REFUSED_BY_RULES, f"the validators' total power would be {total}; the engine takes {MAX_TOTAL_POWER}"
        )


def settle(state: State, updates: Sequence[ValidatorUpdate]) -> tuple[ValidatorUpdate, ...]:
    """Write the set that the block's updates make, and return how it differs from the one before, by type and key."""
    if not updates:
        return ()
    before = _powers(state)
    after = _applied(before, updates)
    if after == before:
        return ()
    _write(state, after, state.get(PATH)["key_types"])
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return tuple(ValidatorUpdate(kind, public_key, after.get((kind, public_key), 0)) for kind, public_key in changed)


def _check_key(update: ValidatorUpdate, types: Sequence[str]) -> None:
    if update.key_type not in types:
        raise TransactionError(
            Code.REFUSED_BY_RULES,
            f"a validator's key is {update.key_type}; genesis allows {', '.join(types)} for this ledger's validators",
        )
    if len(update.public_key) != _KEY_BYTES[update.key_type] or update.power < 0:
        raise TransactionError(
            Code.REFUSED_BY_RULES,
            f"a validator has a key of {len(update.public_key)} bytes and power {update.power}: the engine takes "
            f"{_KEY_BYTES[update.key_type]} bytes, and no negative power",
        )


def _powers(state: State) -> dict[_Key, int]:
    return {(v["type"], v["public_key"]): v["power"] for v in state.get(PATH)["validators"]}


def _applied(powers: dict[_Key, int], updates: Sequence[ValidatorUpdate]) -> dict[_Key, int]:
    """The set after the updates in their order; power 0 removes, also what was never there."""
    result = dict(powers)
    for update in updates:
        result[update.key_type, update.public_key] = update.power
    return {key: power for key, power in result.items() if power}


def _write(state: State, powers: dict[_Key, int], key_types: Sequence[str]) -> None:
    rows = [{"type": kind, "public_key": key, "power": power} for (kind, key), power in sorted(powers.items())]
    state.put(PATH, {"key_types": list(key_types), "validators": rows})
