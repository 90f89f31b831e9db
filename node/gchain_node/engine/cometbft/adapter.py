"""ABCI 2.0 requests as calls of the state machine, and its results as ABCI responses.

Source: CometBFT v0.38 specification, ABCI methods. Vote extensions are not used by this ledger: a validator extends its
votes by nothing and accepts only that.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from gchain_node._proto import abci_pb2 as abci
from gchain_node._proto import types_pb2 as types
from gchain_node.app import App
from gchain_node.engine.cometbft.wire import finalize_block_response
from gchain_node.engine.interface import CommittedBlock, OnBlock
from gchain_node.errors import EngineError
from gchain_node.messages import (
    Block,
    BlockResult,
    InitChain,
    Misbehavior,
    QueryResult,
    Snapshot,
    SnapshotAnswer,
    TxResult,
    ValidatorUpdate,
    Vote,
)

__all__ = ["AbciAdapter"]

_STATE_PROOF: Final = "gchain:state"
_MISBEHAVIOR: Final = {
    abci.MISBEHAVIOR_TYPE_DUPLICATE_VOTE: "duplicate_vote",
    abci.MISBEHAVIOR_TYPE_LIGHT_CLIENT_ATTACK: "light_client_attack",
}
_OFFER: Final = {
    SnapshotAnswer.ACCEPT: abci.ResponseOfferSnapshot.ACCEPT,
    SnapshotAnswer.ABORT: abci.ResponseOfferSnapshot.ABORT,
    SnapshotAnswer.REJECT: abci.ResponseOfferSnapshot.REJECT,
    SnapshotAnswer.REJECT_FORMAT: abci.ResponseOfferSnapshot.REJECT_FORMAT,
    SnapshotAnswer.REJECT_SENDER: abci.ResponseOfferSnapshot.REJECT_SENDER,
}
_APPLY: Final = {
    SnapshotAnswer.ACCEPT: abci.ResponseApplySnapshotChunk.ACCEPT,
    SnapshotAnswer.ABORT: abci.ResponseApplySnapshotChunk.ABORT,
    SnapshotAnswer.RETRY: abci.ResponseApplySnapshotChunk.RETRY,
    SnapshotAnswer.REJECT: abci.ResponseApplySnapshotChunk.REJECT_SNAPSHOT,
}


class AbciAdapter:
    """The handler of an `AbciServer`: one method a kind of request, each a translation and one call of the app.

    The app is called by the threads of several connections; what it lets run side by side is its own contract.
    `on_block` is told of each block after the app made it durable. `on_init_chain` may refuse a ledger's start.
    `on_commit` comes before that, with the votes that the block brought; the engine goes on when it has returned.
    `retain_height` says, of a height just committed, below which the engine may prune its blocks (0: none).
    """

    def __init__(
        self,
        app: App,
        *,
        on_block: OnBlock = lambda block: None,
        on_init_chain: Callable[[InitChain], None] = lambda request: None,
        retain_height: Callable[[int], int] = lambda height: 0,
        on_commit: Callable[[Block], None] = lambda block: None,
    ) -> None:
        self._app = app
        self._on_block = on_block
        self._on_init_chain = on_init_chain
        self._retain_height = retain_height
        self._on_commit = on_commit
        self._finalized: tuple[Block, BlockResult] | None = None
        self._methods: dict[str, Callable[[Any], abci.Response | bytes]] = {
            "info": self._info,
            "init_chain": self._init_chain,
            "query": self._query,
            "check_tx": self._check_tx,
            "prepare_proposal": self._prepare_proposal,
            "process_proposal": self._process_proposal,
            "extend_vote": self._extend_vote,
            "verify_vote_extension": self._verify_vote_extension,
            "finalize_block": self._finalize_block,
            "commit": self._commit,
            "list_snapshots": self._list_snapshots,
            "load_snapshot_chunk": self._load_snapshot_chunk,
            "offer_snapshot": self._offer_snapshot,
            "apply_snapshot_chunk": self._apply_snapshot_chunk,
        }

    def __call__(self, request: abci.Request) -> bytes:
        kind = request.WhichOneof("value")
        if kind not in self._methods:
            raise EngineError(f"no method for an ABCI request of kind {kind}")
        answer = self._methods[kind](getattr(request, kind))
        return answer if isinstance(answer, bytes) else answer.SerializeToString()

    def _info(self, request: abci.RequestInfo) -> abci.Response:
        info = self._app.info()
        return abci.Response(
            info=abci.ResponseInfo(
                data=info.chain_id,
                version=info.version,
                app_version=info.app_version,
                last_block_height=info.last_block_height,
                last_block_app_hash=info.last_block_app_hash,
            )
        )

    def _init_chain(self, request: abci.RequestInitChain) -> abci.Response:
        start = InitChain(
            chain_id=request.chain_id,
            time_ns=_nanoseconds(request.time),
            initial_height=request.initial_height,
            app_state=request.app_state_bytes,
            validators=tuple(_validator(update) for update in request.validators),
            consensus_params=MessageToDict(request.consensus_params, preserving_proto_field_name=True),
        )
        self._on_init_chain(start)
        result = self._app.init_chain(start)
        return abci.Response(
            init_chain=abci.ResponseInitChain(
                app_hash=result.app_hash, validators=[_validator_update(update) for update in result.validators]
            )
        )

    def _query(self, request: abci.RequestQuery) -> abci.Response:
        return abci.Response(
            query=_query_response(self._app.query(request.path, request.data, request.height, request.prove))
        )

    def _check_tx(self, request: abci.RequestCheckTx) -> bytes:
        return _check_response(self._app.check_tx(request.tx, request.type == abci.CHECK_TX_TYPE_RECHECK))

    def _prepare_proposal(self, request: abci.RequestPrepareProposal) -> abci.Response:
        txs = self._app.prepare_proposal(
            list(request.txs), request.max_tx_bytes, request.height, _nanoseconds(request.time)
        )
        return abci.Response(prepare_proposal=abci.ResponsePrepareProposal(txs=txs))

    def _process_proposal(self, request: abci.RequestProcessProposal) -> abci.Response:
        accepted = self._app.process_proposal(list(request.txs), request.height, _nanoseconds(request.time))
        status = abci.ResponseProcessProposal.ACCEPT if accepted else abci.ResponseProcessProposal.REJECT
        return abci.Response(process_proposal=abci.ResponseProcessProposal(status=status))

    def _extend_vote(self, request: abci.RequestExtendVote) -> abci.Response:
        return abci.Response(extend_vote=abci.ResponseExtendVote())

    def _verify_vote_extension(self, request: abci.RequestVerifyVoteExtension) -> abci.Response:
        status = abci.ResponseVerifyVoteExtension.ACCEPT
        if request.vote_extension:
            status = abci.ResponseVerifyVoteExtension.REJECT
        return abci.Response(verify_vote_extension=abci.ResponseVerifyVoteExtension(status=status))

    def _finalize_block(self, request: abci.RequestFinalizeBlock) -> bytes:
        block = Block(
            height=request.height,
            time_ns=_nanoseconds(request.time),
            txs=tuple(request.txs),
            proposer=request.proposer_address,
            misbehavior=tuple(_misbehavior(report) for report in request.misbehavior),
            last_commit=tuple(_vote(vote) for vote in request.decided_last_commit.votes),
        )
        result = self._app.finalize_block(block)
        self._finalized = (block, result)
        rest = abci.ResponseFinalizeBlock(
            validator_updates=[_validator_update(update) for update in result.validator_updates],
            app_hash=result.app_hash,
        )
        return finalize_block_response(rest, result.events, result.tx_results)

    def _commit(self, request: abci.RequestCommit) -> abci.Response:
        retain_height = self._app.commit()
        finalized, self._finalized = self._finalized, None
        if finalized is not None:
            self._on_commit(finalized[0])
            self._on_block(CommittedBlock.of(*finalized))
            retain_height = self._retain_height(finalized[0].height)
        return abci.Response(commit=abci.ResponseCommit(retain_height=retain_height))

    def _list_snapshots(self, request: abci.RequestListSnapshots) -> abci.Response:
        snapshots = [
            abci.Snapshot(height=s.height, format=s.format, chunks=s.chunks, hash=s.hash, metadata=s.metadata)
            for s in self._app.list_snapshots()
        ]
        return abci.Response(list_snapshots=abci.ResponseListSnapshots(snapshots=snapshots))

    def _load_snapshot_chunk(self, request: abci.RequestLoadSnapshotChunk) -> abci.Response:
        chunk = self._app.load_snapshot_chunk(request.height, request.format, request.chunk)
        return abci.Response(load_snapshot_chunk=abci.ResponseLoadSnapshotChunk(chunk=chunk))

    def _offer_snapshot(self, request: abci.RequestOfferSnapshot) -> abci.Response:
        offered = request.snapshot
        snapshot = Snapshot(offered.height, offered.format, offered.chunks, offered.hash, offered.metadata)
        answer = self._app.offer_snapshot(snapshot, request.app_hash)
        return abci.Response(offer_snapshot=abci.ResponseOfferSnapshot(result=_OFFER[answer]))

    def _apply_snapshot_chunk(self, request: abci.RequestApplySnapshotChunk) -> abci.Response:
        taken = self._app.apply_snapshot_chunk(request.index, request.chunk, request.sender)
        return abci.Response(
            apply_snapshot_chunk=abci.ResponseApplySnapshotChunk(
                result=_APPLY[taken.answer], refetch_chunks=taken.refetch, reject_senders=taken.reject_senders
            )
        )


def _nanoseconds(time: Timestamp) -> int:
    return time.seconds * 1_000_000_000 + time.nanos


def _validator(update: abci.ValidatorUpdate) -> ValidatorUpdate:
    kind = update.pub_key.WhichOneof("sum")
    if kind is None:
        raise EngineError("a validator of the engine has a key of a type that v0.38 does not know")
    return ValidatorUpdate(kind, getattr(update.pub_key, kind), update.power)


def _validator_update(update: ValidatorUpdate) -> abci.ValidatorUpdate:
    key = types.PublicKey()
    setattr(key, update.key_type, update.public_key)
    return abci.ValidatorUpdate(pub_key=key, power=update.power)


def _misbehavior(report: abci.Misbehavior) -> Misbehavior:
    return Misbehavior(
        kind=_MISBEHAVIOR.get(report.type, "unknown"),
        address=report.validator.address,
        power=report.validator.power,
        height=report.height,
        time_ns=_nanoseconds(report.time),
        total_voting_power=report.total_voting_power,
    )


def _vote(vote: abci.VoteInfo) -> Vote:
    return Vote(vote.validator.address, vote.validator.power, vote.block_id_flag == types.BLOCK_ID_FLAG_COMMIT)


@lru_cache(maxsize=1024)
def _check_response(result: TxResult) -> bytes:
    """The response, encoded: accepted transactions of one size all get the same."""
    response = abci.Response(
        check_tx=abci.ResponseCheckTx(
            code=result.code,
            data=result.data,
            log=result.log,
            gas_wanted=result.gas_wanted,
            gas_used=result.gas_used,
        )
    )
    return bytes(response.SerializeToString())


def _query_response(result: QueryResult) -> abci.ResponseQuery:
    response = abci.ResponseQuery(
        code=result.code, log=result.log, key=result.key, value=result.value, height=result.height
    )
    if result.proof:
        response.proof_ops.ops.add(type=_STATE_PROOF, key=result.key, data=result.proof)
    return response
