"""What is encoded by hand is what the generated messages would encode."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gchain_node._proto import abci_pb2 as abci
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


def message(result: TxResult) -> abci.ExecTxResult:
    return abci.ExecTxResult(
        code=result.code,
        data=result.data,
        log=result.log,
        gas_wanted=result.gas_wanted,
        gas_used=result.gas_used,
        events=[
            abci.Event(
                type=event.type,
                attributes=[abci.EventAttribute(key=a.key, value=a.value, index=a.indexed) for a in event.attributes],
            )
            for event in result.events
        ],
    )


@given(st.lists(RESULTS, max_size=5), st.binary(max_size=32), st.lists(TEXT, max_size=2))
def test_an_answer_reads_as_the_message_that_it_stands_for(
    results: list[TxResult], app_hash: bytes, types: list[str]
) -> None:
    rest = abci.ResponseFinalizeBlock(app_hash=app_hash, events=[abci.Event(type=kind) for kind in types])
    expected = abci.ResponseFinalizeBlock(tx_results=[message(result) for result in results])
    expected.MergeFrom(rest)
    assert abci.Response.FromString(finalize_block_response(rest, results)).finalize_block == expected


def test_one_result_is_byte_for_byte_the_generated_encoding() -> None:
    event = Event("records", (Attribute("action", "commit"), Attribute("id", "ä" * 200), Attribute("", "", False)))
    result = TxResult(300, b"\x00" * 130, "a sentence", 285, 285, (event,))
    plain = abci.Response(finalize_block=abci.ResponseFinalizeBlock(tx_results=[message(result)]))
    assert finalize_block_response(abci.ResponseFinalizeBlock(), [result]) == plain.SerializeToString()
