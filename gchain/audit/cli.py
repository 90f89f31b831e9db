"""`gchain audit EXPORT --trust trust.json`: recompute a ledger export, offline."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gchain.audit.auditor import AuditReport, audit
from gchain.errors import ConfigurationError

__all__ = ["audit_command"]


def audit_command(
    export: Annotated[Path, typer.Argument(help="The file that `gchain-node export` wrote.")],
    trust: Annotated[Path, typer.Option(help="The trust file, from a source of your own.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Recompute a whole ledger from its export: every header, commit, transaction, result, the state and the log.

    Needs no network and no node. Exit codes: 0 everything holds; 5 something does not, and the first block is named;
    2 the file is no export, or one that does not begin with the ledger's first block, or the trust file is none.
    """
    report = audit(export, _read_json(trust), _progress if sys.stderr.isatty() else lambda done, count: None)
    if as_json:
        print(json.dumps(report.to_json(), indent=2, sort_keys=True))
    else:
        _print(report)


def _read_json(path: Path) -> Any:
    """Raises `ConfigurationError`."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not JSON: {error}") from error


def _progress(done: int, count: int) -> None:
    if done % 100 == 0 or done == count:
        print(f"\rblock {done} of {count}", end="\n" if done == count else "", file=sys.stderr, flush=True)


def _print(report: AuditReport) -> None:
    checkpoint = report.checkpoint or "none in the export"
    blocks = f"blocks {report.first} to {report.last}, up to {report.last_time}"
    print(
        f"Everything holds: ledger {report.chain_id}, {blocks}.\n"
        f"  genesis             {report.genesis_digest}\n"
        f"  commit signatures   {report.commit_signatures} verified, more than two thirds of the power at each block\n"
        f"  validator changes   {report.validator_changes}\n"
        f"  transactions        {report.transactions} carried out anew, {report.refused} of them refused; "
        f"{report.transaction_signatures} signatures verified\n"
        f"  state               {report.state_keys} keys, app hash {report.app_hash}\n"
        f"  log                 {report.log_size} entries, root {report.log_root}\n"
        f"  signed checkpoint   {checkpoint}\n"
        "Recomputed by code of its own; only the meaning of transactions is shared with the node (docs/audit.md)."
    )
