"""What is encoded by hand is what the generated messages would encode."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from gchain_node._proto import abci_pb2 as abci
from gchain_node._proto import types_pb2 as types
from gchain_node.engine.cometbft.wire import finalize_block_response
from gchain_node.messages import Attribute, Event, TxResult

TEXT = st.text(max_size=300)
ATTRIBUTES = st.builds(Attribute, TEXT, TEXT, st.booleans())
EVENTS = st.builds(Event, TEXT, st.lists(ATTRIBUTES, max_size=4).map(tuple))
GAS = st.integers(0, 2**63 - 1)
RESULTS = st.builds(
    TxResult,
    st.integers(0, 2**32 - 1),
    st.binary(max_size=300),
    TEXT,
    GAS,
    GAS,
    st.lists(EVENTS, max_size=3).map(tuple),
)


def messages(events: Iterable[Event]) -> list[abci.Event]:
    return [
        abci.Event(
            type=event.type,
            attributes=[abci.EventAttribute(key=a.key, value=a.value, index=a.indexed) for a in event.attributes],
        )
        for event in events
    ]


def message(result: TxResult) -> abci.ExecTxResult:
    return abci.ExecTxResult(
        code=result.code,
        data=result.data,
        log=result.log,
        gas_wanted=result.gas_wanted,
        gas_used=result.gas_used,
        events=messages(result.events),
    )


HASHES = st.binary(max_size=32)
UPDATES = st.builds(
    lambda key, power: abci.ValidatorUpdate(pub_key=types.PublicKey(ed25519=key), power=power),
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**60),
)


@given(
    st.lists(EVENTS, max_size=3), st.lists(RESULTS, max_size=5), st.lists(UPDATES, max_size=2), st.binary(max_size=32)
)
def test_an_answer_is_byte_for_byte_the_generated_encoding(
    events: list[Event], results: list[TxResult], updates: list[abci.ValidatorUpdate], app_hash: bytes
) -> None:
    rest = abci.ResponseFinalizeBlock(validator_updates=updates, app_hash=app_hash)
    whole = abci.ResponseFinalizeBlock(events=messages(events), tx_results=[message(result) for result in results])
    whole.MergeFrom(rest)
    expected = abci.Response(finalize_block=whole).SerializeToString(deterministic=True)
    assert finalize_block_response(rest, events, results) == expected


def test_what_is_long_or_empty_is_encoded_as_the_rest() -> None:
    event = Event("records", (Attribute("action", "commit"), Attribute("id", "ä" * 200), Attribute("", "", False)))
    result = TxResult(300, b"\x00" * 130, "a sentence", 285, 285, (event, Event("", ())))
    whole = abci.ResponseFinalizeBlock(events=messages([event]), tx_results=[message(result), message(TxResult(0))])
    plain = abci.Response(finalize_block=whole).SerializeToString()
    assert finalize_block_response(abci.ResponseFinalizeBlock(), [event], [result, TxResult(0)]) == plain
