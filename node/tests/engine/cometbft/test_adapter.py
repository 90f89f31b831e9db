"""Every ABCI 2.0 method over the state machine, in the engine's bytes; and no request of a stranger ends the node.

Source of the expectations: CometBFT v0.38 specification, "ABCI methods" and "Requirements for the application".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gchain_node._proto import abci_pb2 as abci
from gchain_node._proto import types_pb2 as types
from gchain_node.app import App
from gchain_node.codes import Code
from gchain_node.development import DevelopmentConsortium, go_live_args
from gchain_node.engine.cometbft.adapter import AbciAdapter
from gchain_node.engine.interface import CommittedBlock
from gchain_node.proof.rpc_json import parse_time, validators_from_json
from gchain_node.proof.state import StateProof
from gchain_node.snapshots import Snapshots
from gchain_node.store import Store
from gchain_node.tx import Tx, sign
from node.tests.examples import examples


class Engine:
    """Speaks to the adapter as the engine does: through bytes, in the order of the protocol."""

    def __init__(self, consortium: DevelopmentConsortium, snapshots: Path | None = None) -> None:
        self.consortium = consortium
        store = Store(None)
        self.snapshots = Snapshots(store, snapshots, interval=1)
        self.app = App(store, self.snapshots)
        self.blocks: list[CommittedBlock] = []
        self.adapter = AbciAdapter(self.app, on_block=self.blocks.append)
        self.height = 0

    def ask(self, **request: Any) -> Any:
        """The answer's content, after both went through their encoding."""
        raw = abci.Request(**request).SerializeToString()
        answer = abci.Response.FromString(self.adapter(abci.Request.FromString(raw)))
        (kind,) = request
        assert answer.WhichOneof("value") == kind
        return getattr(answer, kind)

    def start(self) -> Any:
        genesis = self.consortium.genesis
        validators = [
            abci.ValidatorUpdate(pub_key=types.PublicKey(ed25519=v.public_key), power=v.power)
            for v in validators_from_json(genesis["validators"]).validators
        ]
        request = abci.RequestInitChain(
            chain_id=genesis["chain_id"],
            initial_height=1,
            validators=validators,
            app_state_bytes=json.dumps(genesis["app_state"]).encode(),
            consensus_params=types.ConsensusParams(validator=types.ValidatorParams(pub_key_types=["ed25519"])),
        )
        request.time.FromNanoseconds(parse_time(genesis["genesis_time"]))
        return self.ask(init_chain=request)

    def tx(self, call: str, args: dict[str, Any], nonce: int, *, officer: bool = False, **changes: Any) -> bytes:
        member = self.consortium.members[0]
        module, _, action = call.partition("/")
        signer, key = (member.officer, "officer") if officer else (member.name, "member")
        fields = {"chain_id": self.consortium.genesis["chain_id"], "signer": signer, "expires_height": 1000} | changes
        return sign(Tx(module=module, action=action, args=args, nonce=nonce, **fields), member.keys[key])

    def record(self, nonce: int, **changes: Any) -> bytes:
        return self.tx("records/commit", {"id": f"r{nonce}", "commitment": bytes(32)}, nonce, **changes)

    def block(self, *txs: bytes, **more: Any) -> Any:
        self.height += 1
        request = abci.RequestFinalizeBlock(height=self.height, txs=txs, proposer_address=bytes(20), **more)
        request.time.FromNanoseconds(parse_time(self.consortium.genesis["genesis_time"]) + self.height)
        finalized = self.ask(finalize_block=request)
        self.ask(commit=abci.RequestCommit())
        return finalized

    def go_live(self) -> None:
        value = self.ask(query=abci.RequestQuery(path="/consortium")).value
        args = go_live_args(cbor2.loads(value), self.consortium.members, expires_height=1000)
        assert self.block(self.tx("governance/go_live", args, 1, officer=True)).tx_results[0].code == Code.OK


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentConsortium:
    return DevelopmentConsortium.open(tmp_path_factory.mktemp("consortium"), ["one", "two"])


@pytest.fixture
def started(consortium: DevelopmentConsortium, tmp_path: Path) -> Engine:
    engine = Engine(consortium, tmp_path / "snapshots")
    engine.start()
    engine.go_live()
    return engine


def test_info_tells_the_engine_where_to_go_on(consortium: DevelopmentConsortium) -> None:
    engine = Engine(consortium)
    before = engine.ask(info=abci.RequestInfo(version="0.38.25"))
    assert (before.last_block_height, before.last_block_app_hash, before.app_version) == (0, b"", 1)
    app_hash = engine.start().app_hash
    assert len(app_hash) == 32
    assert engine.ask(info=abci.RequestInfo()).last_block_height == 0, "the engine replays genesis after a crash here"
    assert engine.start().app_hash == app_hash
    finalized = engine.block()
    after = engine.ask(info=abci.RequestInfo())
    assert (after.last_block_height, after.last_block_app_hash) == (1, finalized.app_hash)


def test_check_tx_judges_new_ones_and_rechecks_waiting_ones(started: Engine) -> None:
    raw = started.record(5)
    new = started.ask(check_tx=abci.RequestCheckTx(tx=raw))
    assert (new.code, new.gas_wanted) == (Code.OK, len(raw))
    assert started.ask(check_tx=abci.RequestCheckTx(tx=raw)).code == Code.NONCE_USED
    started.block()
    again = abci.RequestCheckTx(tx=raw, type=abci.CHECK_TX_TYPE_RECHECK)
    assert started.ask(check_tx=again).code == Code.OK
    started.block(raw)
    gone = started.ask(check_tx=again)
    assert (gone.code, gone.log) == (Code.NONCE_USED, "one used number 5 before")


def test_a_proposal_keeps_the_order_and_the_limit_and_leaves_out_what_cannot_be_valid(started: Engine) -> None:
    good = [started.record(nonce) for nonce in (7, 6, 8)]
    bad = [b"junk", started.record(9, chain_id="gchain-other"), started.record(10, expires_height=1), good[0]]
    offered = [good[0], *bad, *good[1:]]
    ask = abci.RequestPrepareProposal(txs=offered, max_tx_bytes=1 << 20, height=2)
    assert list(started.ask(prepare_proposal=ask).txs) == good
    encoded = sum(len(raw) + 3 for raw in good[:2])  # tag, two bytes of length
    ask = abci.RequestPrepareProposal(txs=offered, max_tx_bytes=encoded, height=2)
    assert list(started.ask(prepare_proposal=ask).txs) == good[:2]


def test_a_proposal_of_another_is_accepted_unless_something_in_it_could_never_be_valid(started: Engine) -> None:
    def verdict(*txs: bytes) -> int:
        return int(started.ask(process_proposal=abci.RequestProcessProposal(txs=txs, height=2)).status)

    good = started.record(7)
    assert verdict() == verdict(good) == abci.ResponseProcessProposal.ACCEPT
    for bad in (
        b"",
        b"junk",
        good[:-1],
        started.record(9, chain_id="gchain-other"),
        started.record(10, expires_height=1),
    ):
        assert verdict(good, bad) == abci.ResponseProcessProposal.REJECT
    assert verdict(good, good) == abci.ResponseProcessProposal.REJECT


def test_votes_are_extended_by_nothing(started: Engine) -> None:
    assert started.ask(extend_vote=abci.RequestExtendVote(height=2)).vote_extension == b""
    ask = abci.RequestVerifyVoteExtension(height=2)
    assert started.ask(verify_vote_extension=ask).status == abci.ResponseVerifyVoteExtension.ACCEPT
    ask = abci.RequestVerifyVoteExtension(height=2, vote_extension=b"x")
    assert started.ask(verify_vote_extension=ask).status == abci.ResponseVerifyVoteExtension.REJECT


def test_a_block_is_computed_first_and_told_of_after_it_is_durable(started: Engine) -> None:
    raw = started.record(3)
    request = abci.RequestFinalizeBlock(height=2, txs=[raw, b"junk"])
    finalized = started.ask(finalize_block=request)
    assert [result.code for result in finalized.tx_results] == [Code.OK, Code.MALFORMED]
    assert finalized.tx_results[0].events[0].type == "records"
    assert [block.height for block in started.blocks] == [1]
    assert started.ask(info=abci.RequestInfo()).last_block_height == 1
    assert started.ask(finalize_block=request) == finalized, "asked again after the engine was killed"
    started.ask(commit=abci.RequestCommit())
    assert [block.height for block in started.blocks] == [1, 2]
    assert started.ask(info=abci.RequestInfo()).last_block_app_hash == finalized.app_hash


def test_misbehaviour_in_a_block_is_told_as_an_event_and_stands_in_the_state(started: Engine) -> None:
    address = bytes.fromhex(started.consortium.genesis["validators"][1]["address"])
    found = abci.Misbehavior(
        type=abci.MISBEHAVIOR_TYPE_LIGHT_CLIENT_ATTACK,
        validator=abci.Validator(address=address, power=10),
        height=1,
        total_voting_power=20,
    )
    event = started.block(misbehavior=[found]).events[0]
    told = {attribute.key: attribute.value for attribute in event.attributes}
    assert told == {"address": address.hex(), "kind": "light_client_attack", "member": "two"}
    assert started.ask(query=abci.RequestQuery(path="governance/misbehavior")).code == Code.OK


def test_a_query_is_proved_to_the_app_hash_of_its_height(started: Engine) -> None:
    app_hash = started.block(started.record(3)).app_hash
    for path, code in (("/records/r3", Code.OK), ("/records/absent", Code.NOT_FOUND)):
        answer = started.ask(query=abci.RequestQuery(path=path, prove=True))
        assert (answer.code, answer.height) == (code, 2)
        (op,) = answer.proof_ops.ops
        StateProof.decode(op.data).verify(app_hash)
    assert started.ask(query=abci.RequestQuery(path="/records/r3", height=1)).code == Code.HEIGHT_PRUNED
    assert started.ask(query=abci.RequestQuery(path="/records/r3", height=3)).code == Code.HEIGHT_AHEAD


def test_a_snapshot_goes_from_one_application_to_another(started: Engine, consortium: DevelopmentConsortium) -> None:
    started.snapshots.wait()
    finalized = started.block(started.record(3))
    started.snapshots.wait()
    offered = started.ask(list_snapshots=abci.RequestListSnapshots()).snapshots[-1]
    fresh = Engine(consortium)
    ask = abci.RequestOfferSnapshot(snapshot=offered, app_hash=finalized.app_hash)
    assert fresh.ask(offer_snapshot=ask).result == abci.ResponseOfferSnapshot.ACCEPT
    load = abci.RequestLoadSnapshotChunk(height=offered.height, format=offered.format, chunk=0)
    chunk = started.ask(load_snapshot_chunk=load).chunk
    lie = fresh.ask(apply_snapshot_chunk=abci.RequestApplySnapshotChunk(index=0, chunk=chunk + b"!", sender="liar"))
    assert lie.result == abci.ResponseApplySnapshotChunk.RETRY
    assert (list(lie.refetch_chunks), list(lie.reject_senders)) == ([0], ["liar"])
    taken = fresh.ask(apply_snapshot_chunk=abci.RequestApplySnapshotChunk(index=0, chunk=chunk, sender="honest"))
    assert taken.result == abci.ResponseApplySnapshotChunk.ACCEPT
    assert fresh.ask(info=abci.RequestInfo()) == started.ask(info=abci.RequestInfo())


UINT32, UINT64, INT64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1)
BYTES, TEXT = st.binary(max_size=80), st.text(max_size=40)
TXS = st.lists(BYTES, max_size=3)
SNAPSHOT = st.builds(abci.Snapshot, height=UINT64, format=UINT32, chunks=UINT32, hash=BYTES, metadata=BYTES)
PATHS = TEXT | st.sampled_from(["consortium", "records/r3", "governance/validators", "/", "//", "keys/", "members/one"])
# What other members' nodes, and clients of the engine's RPC, decide of a request's content.
FROM_STRANGERS = st.one_of(
    st.builds(lambda **f: {"query": abci.RequestQuery(**f)}, path=PATHS, data=BYTES, height=INT64, prove=st.booleans()),
    st.builds(lambda **f: {"check_tx": abci.RequestCheckTx(**f)}, tx=BYTES, type=st.sampled_from([0, 1])),
    st.builds(lambda **f: {"process_proposal": abci.RequestProcessProposal(**f)}, txs=TXS, height=st.just(2)),
    st.builds(lambda **f: {"finalize_block": abci.RequestFinalizeBlock(**f)}, txs=TXS, height=st.just(2)),
    st.builds(
        lambda **f: {"load_snapshot_chunk": abci.RequestLoadSnapshotChunk(**f)},
        height=UINT64,
        format=UINT32,
        chunk=UINT32,
    ),
    st.builds(lambda **f: {"offer_snapshot": abci.RequestOfferSnapshot(**f)}, snapshot=SNAPSHOT, app_hash=BYTES),
    st.builds(
        lambda **f: {"apply_snapshot_chunk": abci.RequestApplySnapshotChunk(**f)},
        index=UINT32,
        chunk=BYTES,
        sender=TEXT,
    ),
    st.builds(lambda **f: {"verify_vote_extension": abci.RequestVerifyVoteExtension(**f)}, vote_extension=BYTES),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(400))
@given(request=FROM_STRANGERS)
def test_nothing_that_a_stranger_can_put_into_a_request_ends_the_node(started: Engine, request: dict[str, Any]) -> None:
    """An exception would: the engine stops at one. The state is what it was."""
    before = started.ask(info=abci.RequestInfo())
    started.ask(**request)
    assert started.ask(info=abci.RequestInfo()) == before


def test_a_request_without_a_method_is_an_error(started: Engine) -> None:
    with pytest.raises(Exception, match="no method for an ABCI request"):
        started.adapter(abci.Request())
