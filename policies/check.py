"""`gchain check`: judge one member's estate at all six stages, with that member's credentials alone.

Exit code 0: no critical rule is wrong or unknown. 10: a critical rule fails or broke. 11: a critical rule is not known.
Other codes are errors of the check itself (policies/errors.py, gchain/errors.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from gchain import environment as environments
from gchain.consortium.ledger import nodes, open_client
from gchain.environment import Environment
from gchain.errors import GchainError
from gchain.stacks import stack_file
from gchain.stacks.automation import StackRun
from gchain.stacks.site import FOUNDATION, Site, site
from gchain.workspace import REPOSITORY, Workspace, workspace_of
from gchain_node.errors import NodeError
from policies import drift, own_rules
from policies.engine import evaluate
from policies.errors import PolicyError, SourceError
from policies.frameworks import Framework, framework
from policies.graph import Graph
from policies.officers import Officers
from policies.outcomes import Finding, Outcome, Severity, Stage
from policies.pack import record_path
from policies.register import agreed_genesis, known_officers
from policies.reports.member import StageResult, build
from policies.ruleset import enforced
from policies.signing import sign_report
from policies.sources import attestations, live, node_facts, plan_record, preflight, stack_state
from policies.sources.aws.account import open_session
from policies.sources.buckets import region_of_bucket
from policies.waivers import Waiver, of_ledger, united
from policies.waivers import load as load_waivers
from policies.zone import ZonePolicy

__all__ = ["BLOCKED", "UNKNOWN", "Judged", "check", "exit_code", "here", "judge", "look"]

BLOCKED, UNKNOWN = 10, 11
_PIPELINE_FILES = (REPOSITORY / ".ci" / "run", REPOSITORY / "Makefile")

Graphs = tuple[Graph, dict[str, Any]]


@dataclass(frozen=True)
class Subject:
    """One member of one environment, and what the stages need to look at it."""

    environment: Environment
    workspace: Workspace
    member: str
    now: datetime

    @cached_property
    def zone(self) -> ZonePolicy:
        return ZonePolicy.of(self.environment)

    @cached_property
    def sites(self) -> list[Site]:
        """The stacks in this member's account: its own, and the foundation where it is the convenor."""
        names = [self.member]
        if self.environment.consortium.convenor == self.member:
            names.append(FOUNDATION)
        return [site(self.environment, self.workspace, name) for name in names]

    @property
    def own(self) -> Site:
        return self.sites[0]

    @property
    def evidence(self) -> Path:
        return self.workspace.member(self.member).evidence

    @cached_property
    def session(self) -> Any:
        return open_session(self.own.directory.aws_credentials, self.own.member.region)

    @cached_property
    def exports(self) -> dict[str, dict[str, Any]]:
        return {each.stack: StackRun(self.environment, self.workspace, each.name).export() for each in self.sites}

    @cached_property
    def genesis(self) -> dict[str, Any] | None:
        path = self.workspace.genesis
        return agreed_genesis(path) if path.is_file() else None

    @cached_property
    def officers(self) -> Officers:
        if self.genesis is not None:
            return known_officers(self.workspace, self.genesis)
        return Officers.of_contributions(self.workspace.contributions, self.environment.consortium.name)

    def waivers(self) -> tuple[list[Waiver], list[str]]:
        """From the member's files and from the ledger's record, each once, and why others have no effect."""
        files, problems = load_waivers(self.evidence / "waivers", self.officers, member=self.member, now=self.now)
        recorded, more = of_ledger(self._recorded_waivers, self.officers, member=self.member, now=self.now)
        return united(files, recorded), [*problems, *more]

    @cached_property
    def _recorded_waivers(self) -> dict[str, Any] | None:
        """The ledger's record of the member's waivers; None before there is a ledger that answers."""
        if self.genesis is None:
            return None
        for node in nodes(self.environment, self.workspace):
            if node.member == self.member:
                try:
                    with open_client(self.workspace, node) as client:
                        value = client.query(f"compliance/waivers/{self.member}").value
                    return value if isinstance(value, dict) else None
                except (GchainError, NodeError, OSError):
                    continue
        return None

    def bucket_region(self, name: str) -> str | None:
        return region_of_bucket(name, self.session, self.own.endpoint)


@dataclass(frozen=True)
class Judged:
    """What the six stages found of one member. A stage that could not run says why and is indeterminate."""

    subject: Subject
    results: Sequence[StageResult]

    def report(self) -> dict[str, Any]:
        """The unsigned member report under the waivers that are there now."""
        subject = self.subject
        waivers, problems = subject.waivers()
        genesis = subject.genesis
        notes = [note for result in self.results for note in result.coverage.get("problems", ())]
        return build(
            subject.zone,
            subject.environment.name,
            subject.member,
            self.results,
            chain_id=genesis["chain_id"] if genesis else subject.environment.consortium.chain_id,
            waivers=waivers,
            problems=[*problems, *notes],
            now=subject.now,
        )


def look(
    environment: Environment, workspace: Workspace, member: str, *, progress: Callable[[str], None] = lambda _: None
) -> Judged:
    """Judge one member's estate at all six stages with that member's credentials."""
    own_rules.activate(environment.directory / "rules")
    subject = Subject(environment, workspace, member, datetime.now(UTC))
    return Judged(subject, list(judge(subject, progress)))


def judge(subject: Subject, progress: Callable[[str], None] = lambda _: None) -> Iterable[StageResult]:
    """Run the six stages one after the other; none hinders another."""
    yield _run(subject, Stage.PREFLIGHT, _preflight, progress)
    yield _plan(subject)
    for stage, source in ((Stage.STATE, _state), (Stage.LIVE, _live), (Stage.NODE, _node), (Stage.ATTEST, _attest)):
        yield _run(subject, stage, source, progress)


def _run(
    subject: Subject, stage: Stage, source: Callable[[Subject], Graphs], progress: Callable[[str], None]
) -> StageResult:
    progress(f"{subject.member}: {stage}")
    try:
        graph, coverage = source(subject)
    except (GchainError, PolicyError) as error:
        return StageResult(stage, ran=False, reason=str(error))
    findings = evaluate(graph, subject.zone, stage, now=subject.now, member=subject.member)
    return StageResult(stage, True, findings, coverage)


def _preflight(subject: Subject) -> Graphs:
    own = subject.own
    graph = preflight.graph(
        backend_url=own.backend_url,
        settings_file=stack_file.path(own),
        environment=own.variables(),
        session=subject.session,
        endpoint=own.endpoint,
        pipeline_files=_PIPELINE_FILES,
    )
    return graph, {"stack": own.stack, "pipeline_files": [path.name for path in _PIPELINE_FILES if path.is_file()]}


def _plan(subject: Subject) -> StageResult:
    """The record of each stack's last update (see `policies.pack`)."""
    findings: list[Finding] = []
    coverage: dict[str, Any] = {"stacks": {}}
    for each in subject.sites:
        try:
            path = record_path(subject.evidence, each.stack)
            record = plan_record.load(path, each.stack, subject.zone, now=subject.now)
        except SourceError as error:
            return StageResult(Stage.PLAN, ran=False, reason=str(error))
        coverage["stacks"][each.stack] = record.recorded_at
        findings += record.findings
    return StageResult(Stage.PLAN, True, findings, coverage)


def _state(subject: Subject) -> Graphs:
    graph = Graph(bucket_lookup=subject.bucket_region)
    leaks: list[str] = []
    stacks: dict[str, int] = {}
    for stack, export in subject.exports.items():
        part = stack_state.graph(export, stack)
        graph.resources += part.resources
        leaks += part.facts["stack"]["export"]["plaintext_secrets"]
        stacks[stack] = len(part.resources)
    graph.facts["stack"] = {"export": {"plaintext_secrets": leaks}}
    return graph, {"stacks": stacks}


def _live(subject: Subject) -> Graphs:
    graph, coverage = live.sweep(subject.session, subject.zone, endpoint=subject.own.endpoint)
    return graph, {**coverage.as_json(), "drift": _drift(subject, graph)}


def _drift(subject: Subject, swept: Graph) -> list[dict[str, Any]] | dict[str, str]:
    """What differs between plan, state and live; where that cannot be said, why."""
    own = subject.own
    try:
        kms = subject.session.client("kms", endpoint_url=own.endpoint)
        key = kms.describe_key(KeyId=own.key_alias)["KeyMetadata"]["KeyId"]
        return [each.as_json() for each in drift.compare(subject.exports, swept, own=(own.bucket, key))]
    except BotoCoreError as error:
        return {"unknown": f"the backend's key cannot be asked for: {type(error).__name__}"}
    except (ClientError, GchainError) as error:
        return {"unknown": str(error)}


def _node(subject: Subject) -> Graphs:
    facts = node_facts.load(subject.evidence / "node-facts.json", subject.member, now=subject.now)
    statuses, silent = _statuses(subject)
    graph = node_facts.graph(
        facts, subject.genesis, statuses, subject.zone, hosts=_host_record(subject), waivers=_granted(subject)
    )
    coverage = {"hosts": sorted(facts["hosts"]), "collected_at": facts["collected_at"], "silent": silent}
    missing = {f"{subject.member}-{host.name}" for host in subject.own.member.hosts} - set(facts["hosts"])
    if missing:
        raise SourceError(f"the facts lack {', '.join(sorted(missing))}", remedy="run `gchain host facts` again")
    return graph, coverage


def _statuses(subject: Subject) -> tuple[list[dict[str, Any]], list[str]]:
    answers, silent = [], []
    for node in nodes(subject.environment, subject.workspace):
        if node.member == subject.member:
            try:
                answers.append(node.status())
            except Exception as error:  # a node that does not answer is a gap, whatever the transport says
                silent.append(f"{node.name}: {type(error).__name__}")
    return answers, silent


def _host_record(subject: Subject) -> list[dict[str, str]]:
    """Where the zone record says each instance is: the consortium file's zone for the host that the stack made."""
    places = {host.name: host.availability_zone for host in subject.own.member.hosts}
    resources = subject.exports[subject.own.stack]["deployment"]["resources"]
    stack: dict[str, Any] = next((each for each in resources if each["type"] == "pulumi:pulumi:Stack"), {})
    hosts = (stack.get("outputs") or {}).get("hosts") or []
    return [
        {"instance_id": host["instance_id"], "availability_zone": places[host["name"]]}
        for host in hosts
        if host.get("name") in places
    ]


def _granted(subject: Subject) -> list[dict[str, str]]:
    return [{"rule": waiver.rule} for waiver in subject.waivers()[0]]


def _attest(subject: Subject) -> Graphs:
    graph, problems = attestations.graph(
        subject.evidence / "attestations", subject.officers, member=subject.member, now=subject.now
    )
    return graph, {"statements": sorted(graph.facts), "problems": problems}


def exit_code(document: Mapping[str, Any], profile: Framework | None = None) -> int:
    """What a pipeline gets: 0, `BLOCKED` or `UNKNOWN`, by the critical rows of the report's table.

    With a framework as profile, by the rows of its rules whose severity blocks there.
    """
    blocking = {Severity.CRITICAL} if profile is None else profile.blocking
    decisive = {
        rule["id"]
        for rule in enforced()["enforced"]
        if rule["severity"] in blocking and (profile is None or rule["id"] in profile.rules)
    }
    outcomes = {row["outcome"] for row in document["table"] if row["rule"] in decisive}
    if outcomes & {Outcome.FAIL, Outcome.ERROR}:
        return BLOCKED
    return UNKNOWN if Outcome.INDETERMINATE in outcomes else 0


def check(
    member: Annotated[
        list[str] | None,
        typer.Option("--member", "-m", help="whose estate to judge; else every member whose credentials are here"),
    ] = None,
    environment: Annotated[str, typer.Option("--environment", "-e", help="name of the environment")] = "sandbox",
    name: Annotated[str, typer.Option("--name", help="name of the sandbox (environment sandbox only)")] = "default",
    drifted: Annotated[
        bool, typer.Option("--drift", help="also list what differs between plan, state and live")
    ] = False,
    signed: Annotated[bool, typer.Option("--sign", help="sign the report and put it among the public files")] = False,
    profile: Annotated[
        str | None, typer.Option(help="exit code by a framework's rules and severities (gchain report framework)")
    ] = None,
) -> None:
    """Judge members' estates at all six stages; exit code 0, 10 (a critical rule fails) or 11 (is not known)."""
    loaded = environments.load(environment)
    chosen = framework(profile) if profile is not None else None
    workspace = workspace_of(environment, name)
    names = member or here(loaded, workspace)
    codes = [_check_one(loaded, workspace, each, chosen, drifted=drifted, signed=signed) for each in names]
    raise typer.Exit(next((code for code in (BLOCKED, UNKNOWN) if code in codes), 0))


def here(environment: Environment, workspace: Workspace) -> list[str]:
    """The members whose credentials are in this workspace; elsewhere than in a sandbox that is one.

    Raises:
        SourceError: there are none.
    """
    members = [each.name for each in environment.consortium.members]
    found = [each for each in members if workspace.member(each).aws_credentials.is_file()]
    if not found:
        raise SourceError(
            f"{workspace.root}: no member's credentials are here", remedy="name one with --member, or make sandbox"
        )
    return found


def _check_one(
    environment: Environment,
    workspace: Workspace,
    member: str,
    profile: Framework | None,
    *,
    drifted: bool,
    signed: bool,
) -> int:
    progress, console = Console(stderr=True), Console()
    with progress.status("judging") as status:
        document = look(environment, workspace, member, progress=lambda text: status.update(text)).report()
    console.print(f"{member}", style="bold")
    _print(document, console)
    if drifted:
        for line in drift.lines(document["stages"]["live"]["coverage"].get("drift")):
            console.print(line, markup=False, soft_wrap=True)
    if signed:
        progress.print(f"signed: {sign_report(environment, workspace, member, document)}", soft_wrap=True)
    return exit_code(document, profile)


def _print(document: Mapping[str, Any], console: Console) -> None:
    for stage, result in document["stages"].items():
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(result["counts"].items()))
        console.print(f"{stage:<10} {counts if result['ran'] else 'did not run: ' + result['reason']}", markup=False)
    for result in document["stages"].values():
        for row in result["findings"]:
            if row["outcome"] in (Outcome.FAIL, Outcome.ERROR, Outcome.INDETERMINATE):
                line = f"{row['outcome']:<14}{row['rule']}  {row['stage']:<9} {row['resource']}: {row['message']}"
                console.print(line, markup=False, soft_wrap=True)
