"""The second half of `make sandbox`: hosts become a ledger, the ledger is judged, the officers open it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from gchain.consortium import genesis, golive
from gchain.consortium.ledger import nodes
from gchain.consortium.officers import make_officers
from gchain.consortium.records import commit_record
from gchain.consortium.trust import write_trust
from gchain.environment import Member
from gchain.errors import ConsortiumError
from gchain.hosts.playbook import run_playbook
from gchain.progress import Stage, StageLog, each
from gchain.sandbox.rollout import Rollout
from gchain.sandbox.waivers import waive_limits
from policies import signing
from policies.check import look
from policies.reports.cli import merge_reports

__all__ = ["FIRST_RECORD", "ledger_stages", "opening_stages"]

FIRST_RECORD = "first-record"
_DOCUMENT = b"The consortium's ledger is open.\n"


def ledger_stages(rollout: Rollout) -> list[Stage]:
    """From bare hosts to a running ledger that is judged but not open."""
    return [
        Stage("hosts configured", partial(_play, rollout, "site")),
        Stage("contributions", partial(_contributions, rollout)),
        Stage("genesis agreed", partial(_genesis, rollout)),
        Stage("ledger starts", partial(_start, rollout)),
    ]


def opening_stages(rollout: Rollout) -> list[Stage]:
    """From a running ledger to a live one with its first record."""
    return [
        Stage("facts", partial(_play, rollout, "facts")),
        Stage("member reports", partial(_member_reports, rollout)),
        Stage("consortium report", partial(_consortium_report, rollout)),
        Stage("go-live", partial(_go_live, rollout)),
        Stage("first record", partial(_first_record, rollout)),
        Stage("gate on hosts", partial(_gate, rollout)),
    ]


def _play(rollout: Rollout, playbook: str, log: StageLog) -> str:
    """One playbook for every member side by side, each with its own inventory, key and network."""
    workspace = rollout.sandbox.workspace

    def run(member: Member) -> int:
        return run_playbook(workspace, member.name, playbook, on_progress=_prefixed(member, log)).changed

    changed = each(rollout.members, run)
    return f"{sum(changed)} changes on {sum(len(member.hosts) for member in rollout.members)} hosts"


def _prefixed(member: Member, log: StageLog) -> Callable[[str], None]:
    return lambda text: log.line(f"{member.name}: {text}")


def _contributions(rollout: Rollout, log: StageLog) -> str:
    """Officers' keys on the officers' machine, then each member's signed contribution; those made before stand."""
    workspace = rollout.sandbox.workspace
    for member in rollout.members:
        for name in make_officers(rollout.environment, workspace, member):
            log.line(f"{member.name}: officer {name}")
    missing = [m for m in rollout.members if not (workspace.contributions / f"{m.name}.json").is_file()]
    each(missing, lambda m: run_playbook(workspace, m.name, "contribution", on_progress=_prefixed(m, log)))
    return f"{len(rollout.members)} signed"


def _genesis(rollout: Rollout, log: StageLog) -> str:
    """Build, let every member check the document against its own files and sign its digest."""
    workspace = rollout.sandbox.workspace
    workspace.genesis_signatures.mkdir(parents=True, exist_ok=True)
    digest = genesis.build(rollout.environment, workspace)
    unsigned = [m for m in rollout.members if not (workspace.genesis_signatures / f"{m.name}.json").is_file()]
    for member in rollout.members:
        genesis.accept(rollout.environment, workspace, member.name)
        log.line(f"{member.name}: accepts {digest}")
    each(unsigned, lambda m: run_playbook(workspace, m.name, "sign", on_progress=_prefixed(m, log)))
    genesis.check_signatures(workspace)
    write_trust(workspace)
    return digest[:19]


def _start(rollout: Rollout, log: StageLog) -> str:
    _play(rollout, "start", log)
    found = [node.status() for node in nodes(rollout.environment, rollout.sandbox.workspace)]
    return f"height {min(int(status['height']) for status in found)}, {len(found)} nodes"


def _member_reports(rollout: Rollout, log: StageLog) -> str:
    """Each member judges its own estate with its own credentials; its officer signs the report."""
    environment, workspace = rollout.environment, rollout.sandbox.workspace

    def judge(member: Member) -> str:
        signing.attest(environment, workspace, member.name)
        judged = look(environment, workspace, member.name, progress=log.line)
        waive_limits(environment, workspace, member.name, judged.report(), log.line)
        document = judged.report()
        signing.sign_report(environment, workspace, member.name, document)
        failing = sum(row["outcome"] in ("fail", "error", "indeterminate") for row in document["table"])
        return f"{member.name} {len(document['table']) - failing}/{len(document['table'])}"

    return ", ".join(each(rollout.members, judge, at_once=2))


def _consortium_report(rollout: Rollout, log: StageLog) -> str:
    document = merge_reports(rollout.sandbox.workspace)
    for reason in document["verdict"]["reasons"]:
        log.line(reason["message"])
    verdict = "ready to go live" if document["verdict"]["ok"] else "NOT ready"
    return f"{verdict}: {rollout.sandbox.workspace.public / 'consortium-report.html'}"


def _go_live(rollout: Rollout, log: StageLog) -> str:
    """Officers sign the report's table, the ledger decides; done before means live before."""
    environment, workspace = rollout.environment, rollout.sandbox.workspace
    node = nodes(environment, workspace)[0]
    if node.status()["phase"] == "live":
        return "live before"
    proposal = golive.propose(workspace, node, golive.read_table(workspace))
    for member in rollout.members:
        log.line(f"approved by {golive.approve(workspace, member, proposal)}")
    outcome = golive.submit(environment, workspace, node, proposal, golive.collect_approvals(environment, workspace))
    if outcome.code != 0:
        raise ConsortiumError(
            f"the ledger refused to open: code {outcome.code}: {outcome.log}",
            remedy=f"read {workspace.public / 'consortium-report.html'}, mend or waive what it names, and run again",
        )
    return f"live at height {outcome.height}"


def _gate(rollout: Rollout, log: StageLog) -> str:
    """Every host judges itself and its member's key records the verdict; the timer goes on from here."""
    _play(rollout, "gate", log)
    node = nodes(rollout.environment, rollout.sandbox.workspace)[0]
    found = node.status()["compliance"]
    return ", ".join(f"{name} {entry['verdict']}" for name, entry in sorted(found.items()))


def _first_record(rollout: Rollout, log: StageLog) -> str:
    workspace = rollout.sandbox.workspace
    done = workspace.receipts / f"{FIRST_RECORD}.json"
    if not done.is_file():
        convenor = rollout.environment.convenor
        node = next(n for n in nodes(rollout.environment, workspace) if n.member == convenor.name)
        committed = commit_record(workspace, convenor, node, FIRST_RECORD, _DOCUMENT)
        log.line(json.dumps({"hash": committed.outcome.hash.hex(), "height": committed.outcome.height}))
    return f"receipt {done}"
