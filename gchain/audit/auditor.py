"""The audit itself: one pass over the export, block by block, against the trust file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785

from gchain.audit import wire
from gchain.audit.consensus import Validators, check_commit, votes
from gchain.audit.findings import AuditError, expect
from gchain.audit.notes import check_checkpoint, keys_of
from gchain.audit.reading import Export, open_export
from gchain.audit.replay import Replay, Turn
from gchain.errors import ConfigurationError

__all__ = ["AuditReport", "audit"]

Progress = Callable[[int, int], None]
"""Told after each block: how many are done, of how many."""


@dataclass(frozen=True)
class AuditReport:
    """What held. `checkpoint` says who signed the checkpoint in the export; empty when there was none."""

    chain_id: str
    genesis_digest: str
    first: int
    last: int
    blocks: int
    transactions: int
    refused: int
    transaction_signatures: int
    commit_signatures: int
    validator_changes: int
    state_keys: int
    app_hash: str
    log_size: int
    log_root: str
    last_time: str
    checkpoint: str

    def to_json(self) -> dict[str, Any]:
        return {"holds": True, **asdict(self)}


def audit(path: Path, trust: Mapping[str, Any], progress: Progress = lambda done, all_: None) -> AuditReport:
    """Recompute everything in the export at `path`. `trust` is the trust file's document.

    Raises:
        AuditError: it does not hold; the first block that does not is named.
        ConfigurationError: it is no export, cannot be read, or does not begin with the ledger; or the trust file is
            none.
    """
    _check_trust(trust)
    export = open_export(path)
    try:
        return _Auditor(export, trust, progress).run()
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise AuditError(f"the export is malformed: {type(error).__name__}: {str(error)[:160]}") from error


def _check_trust(trust: Any) -> None:
    """A wrong trust file says nothing about the export. Raises `ConfigurationError`."""
    try:
        if not isinstance(trust["chain_id"], str) or not isinstance(trust["genesis_digest"], str):
            raise TypeError("chain_id and genesis_digest must be texts")
        Validators.from_json(trust["validators"])
        keys_of(trust)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ConfigurationError(
            f"the trust file is malformed: {type(error).__name__}: {str(error)[:160]}",
            remedy="take the ledger's trust.json from a source of your own",
        ) from error


class _Auditor:
    def __init__(self, export: Export, trust: Mapping[str, Any], progress: Progress) -> None:
        self._export = export
        self._trust = trust
        self._progress = progress
        self._check_start()
        self._replay = Replay(export.genesis)
        self._signers = self._next = Validators.from_json(export.genesis["validators"])
        self._before: Turn | None = None
        self._before_hash = b""
        self._before_signers = Validators(())
        self._transactions = self._refused = self._commit_signatures = self._changes = 0
        self._roots: dict[int, bytes] = {0: self._replay.log.root()}

    def _check_start(self) -> None:
        """Genesis is the one of the trust file, and the export begins with it."""
        export, trust = self._export, self._trust
        digest = "sha256:" + sha256(rfc8785.dumps(export.genesis)).hexdigest()
        expect("the digest of the export's genesis", digest, trust["genesis_digest"])
        expect("the export's ledger", export.chain_id, trust["chain_id"])
        expect("genesis' ledger", export.genesis["chain_id"], trust["chain_id"])
        if export.first != (begin := int(export.genesis["initial_height"])):
            raise ConfigurationError(
                f"{export.path}: the export begins at block {export.first}; an audit begins at the ledger's first, "
                f"{begin}, for the state before a later one is in no export",
                remedy="export from a member that keeps all blocks: `gchain-node export` without --from",
            )
        if trust["validators"]:
            known = Validators.from_json(trust["validators"])
            expect("the validators of genesis", Validators.from_json(export.genesis["validators"]), known)

    def run(self) -> AuditReport:
        count = self._export.last - self._export.first + 1
        for done, block in enumerate(self._export.blocks, 1):
            self._block(block)
            self._progress(done, count)
        end = self._export.end
        header = end["header"]
        self._header(header, end["commit"], self._export.last + 1)
        self._results(header)
        return self._report(header, self._checkpoint(end.get("checkpoint")))

    def _block(self, block: Mapping[str, Any]) -> None:
        header, commit = block["header"], block["commit"]
        height = self._export.first if self._before is None else self._before.height + 1
        hash_ = self._header(header, commit, height)
        self._results(header)
        expect("its data hash", bytes.fromhex(header["data_hash"]), wire.data_hash(block["txs"]), height)
        last_commit = block["last_commit"]
        expect("its last commit hash", bytes.fromhex(header["last_commit_hash"]), wire.commit_hash(last_commit), height)
        if self._before is not None:
            known = self._before_signers
            self._commit_signatures += check_commit(
                self._export.chain_id, self._before.height, self._before_hash, last_commit, known
            )
        try:
            found = wire.evidence_hash(block["evidence"])
        except ValueError as error:
            raise AuditError(str(error), height=height) from error
        expect("its evidence hash", bytes.fromhex(header["evidence_hash"]), found, height)
        self._play(Turn(header, block["txs"], block["results"], self._votes(last_commit), block["evidence"]), hash_)

    def _votes(self, last_commit: Mapping[str, Any]) -> list[tuple[bytes, int, bool]]:
        return votes(last_commit, self._before_signers)

    def _header(self, header: Mapping[str, Any], commit: Mapping[str, Any], height: int) -> bytes:
        """One header by itself, against the one before, and by its commit; its hash."""
        expect("its height", int(header["height"]), height, height)
        expect("its ledger", header["chain_id"], self._export.chain_id, height)
        named = bytes.fromhex(header["validators_hash"]), bytes.fromhex(header["next_validators_hash"])
        expect("the hash of its validators", named[0], self._signers.hash(), height)
        expect("the hash of the next validators", named[1], self._next.hash(), height)
        params = wire.params_hash(self._export.genesis["consensus_params"])
        expect("the hash of its parameters", bytes.fromhex(header["consensus_hash"]), params, height)
        app_hash = bytes.fromhex(header["app_hash"])
        expect("the app hash of the state before it", app_hash, self._replay.root, height)
        if self._before is not None:
            last = bytes.fromhex(header["last_block_id"]["hash"])
            expect("the block before it", last, self._before_hash, height)
            later = wire.nanoseconds(header["time"]) > wire.nanoseconds(self._before.header["time"])
            expect("its time being after the time of the block before", later, True, height)
        hash_ = wire.header_hash(header)
        self._commit_signatures += check_commit(self._export.chain_id, height, hash_, commit, self._signers)
        return hash_

    def _results(self, header: Mapping[str, Any]) -> None:
        """The results of the block before, which this header names."""
        results = [] if self._before is None else self._before.results
        found = bytes.fromhex(header["last_results_hash"])
        height = int(header["height"])
        if self._before is None and not found:
            return
        expect("the hash of the last results", found, wire.results_hash(results), height)

    def _play(self, turn: Turn, hash_: bytes) -> None:
        told = self._replay.play(turn)
        self._transactions += len(turn.txs)
        self._refused += sum(1 for result in turn.results if result[0])
        self._changes += bool(told)
        self._roots[self._replay.log.size] = self._replay.log.root()
        self._before, self._before_hash, self._before_signers = turn, hash_, self._signers
        self._signers, self._next = self._next, self._next.changed(told)

    def _checkpoint(self, note: str | None) -> str:
        """Compare the log with a signed checkpoint, where its size is one that a block ended with."""
        if not note:
            return ""
        origin, size, root, signers = check_checkpoint(note, self._trust)
        expect("the checkpoint's log", origin, f"gchain/{self._export.chain_id}")
        if size not in self._roots:
            if size > self._replay.log.size:
                return f"size {size} is beyond the export: not compared"
            raise AuditError(f"the signed checkpoint has size {size}, with which no block of this ledger ends")
        expect(f"the root of the signed checkpoint of size {size}", root, self._roots[size])
        return f"size {size}, signed by {', '.join(signers)}" if signers else f"size {size}, by unknown keys"

    def _report(self, header: Mapping[str, Any], checkpoint: str) -> AuditReport:
        export, log = self._export, self._replay.log
        assert self._before is not None  # noqa: S101 -- an export has a block or more
        return AuditReport(
            chain_id=export.chain_id,
            genesis_digest=str(self._trust["genesis_digest"]),
            first=export.first,
            last=export.last,
            blocks=export.last - export.first + 1,
            transactions=self._transactions,
            refused=self._refused,
            transaction_signatures=self._replay.signatures,
            commit_signatures=self._commit_signatures,
            validator_changes=self._changes,
            state_keys=self._replay.keys,
            app_hash=self._replay.root.hex(),
            log_size=log.size,
            log_root=log.root().hex(),
            last_time=self._before.header["time"],
            checkpoint=checkpoint,
        )
