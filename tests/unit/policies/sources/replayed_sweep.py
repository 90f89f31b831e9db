"""The live sweep over recorded answers: what one changed answer changes is done again, all else is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from policies.engine import evaluate
from policies.graph import Graph, Resource
from policies.outcomes import Outcome, Stage
from policies.rule import Rule
from policies.rules import RULES
from policies.sources import live
from policies.sources.buckets import region_of_bucket
from policies.zone import ZonePolicy
from tests.unit.policies import rule_cases
from tests.unit.policies.sources.recording import Call, Replay

__all__ = ["BAD", "Bad", "ReplayedSweep"]

BAD = frozenset({Outcome.FAIL, Outcome.ERROR, Outcome.INDETERMINATE})
Bad = set[tuple[str, str]]
"""Rule and resource of each finding that is no pass."""

_Result = tuple[list[Resource], Exception | None]


class ReplayedSweep:
    """`live.sweep`, one task after the other; `bad` is what it finds with every answer as it was recorded."""

    def __init__(self, replay: Replay, zone: ZonePolicy) -> None:
        self._replay, self._zone = replay, zone
        self._account = replay.account()
        self._users: dict[Call, set[Any]] = defaultdict(set)
        self._number = self._account.number
        replay.used.clear()
        self._prepare()
        self._results = {task: self._run(task) for task in self._tasks}
        self._facts = live._facts(self._account, self._enabled, Graph(), self._coverage)
        self._note("facts")
        self.bad = self._judge(self._results, self._facts, self._gaps, RULES.values())

    @property
    def calls(self) -> list[Call]:
        """Every call that a step makes."""
        return list(self._users)

    def bad_with(self, call: Call, body: bytes) -> tuple[Bad, set[str]]:
        """What is no pass if `call` is answered with `body`, and the rules that were judged anew."""
        users, self._gaps_now = self._users[call], self._gaps
        with self._replay.changed(call, body):
            tasks = self._anew() if "prepare" in users else self._tasks
            if tasks is None:
                return {(rule, "sweep") for rule in RULES}, set(RULES)
            kept = {task: task.skip for task in self._tasks}
            again = [task for task in tasks if task in users or kept.get(task) != task.skip]
            changed = {task: live._collect(self._account, task) for task in again}
            facts = self._facts
            if "facts" in users:
                coverage = live.Coverage(zone_regions=self._coverage.zone_regions)
                facts = live._facts(self._account, self._enabled, Graph(), coverage)
        if len(tasks) == len(self._tasks):
            changed = {task: result for task, result in changed.items() if not _same(result, self._results[task])}
            if not changed and facts == self._facts:
                return self.bad, set()
        rules = self._concerned({kind for task in changed for kind in task.types}, facts != self._facts)
        results = {task: changed.get(task) or self._results[task] for task in tasks}
        if len(tasks) != len(self._tasks) or self._gaps_now.unavailable:
            return self._judge(results, facts, self._gaps_now, RULES.values()), set(RULES)
        wide = [rule for rule in rules if rule.judges_every_type]
        bad = self._judge(results, facts, self._gaps, [rule for rule in rules if rule not in wide])
        return bad | self._elsewhere(changed, wide) | self._judge(changed, facts, self._gaps, wide), {
            r.id for r in rules
        }

    def _elsewhere(self, changed: Iterable[Any], wide: list[Rule]) -> Bad:
        """What rules that judge every resource by itself say of those that did not change."""
        again = {resource.id for task in changed for resource in self._results[task][0]}
        names = {rule.id for rule in wide}
        return {(rule, resource) for rule, resource in self.bad if rule in names and resource not in again}

    def _anew(self) -> list[Any] | None:
        """The tasks after regions and networks were listed again; None where the sweep as a whole breaks off."""
        coverage, self._gaps_now = live.Coverage(account=self._number), Graph()
        try:
            enabled = live._enabled_regions(self._account, self._zone, self._gaps_now, coverage)
        except Exception:
            return None
        return self._tasks_in(enabled, coverage)

    def _prepare(self) -> None:
        self._coverage, self._gaps = live.Coverage(account=self._number), Graph()
        self._gaps_now = self._gaps
        self._enabled = live._enabled_regions(self._account, self._zone, self._gaps, self._coverage)
        self._tasks = self._tasks_in(self._enabled, self._coverage)
        self._note("prepare")

    def _tasks_in(self, enabled: list[str], coverage: live.Coverage) -> list[_Hashable]:
        coverage.zone_regions = [region for region in self._zone.regions if region in enabled]
        coverage.probed_regions = [region for region in enabled if region not in self._zone.regions]
        skips = {region: live._skip(self._account, region) for region in enabled}
        return [_Hashable.of(task) for task in live._tasks(self._account, coverage, skips)]

    def _run(self, task: Any) -> _Result:
        result = live._collect(self._account, task)
        self._note(task)
        return result

    def _note(self, step: Any) -> None:
        for call in self._replay.used:
            self._users[call].add(step)
        self._replay.used.clear()

    def _concerned(self, types: set[str], facts: bool) -> list[Rule]:
        """The rules that may see a difference: by type, by what they read besides, or by a fact."""
        found = []
        for rule in RULES.values():
            reads = {read["type"] for read in rule.entry.reads if "type" in read} | rule.types
            whole = Stage.LIVE in rule.whole_checks
            if types & reads or rule.judges_every_type or (facts and whole):
                found.append(rule)
        return found

    def _judge(self, results: dict[Any, _Result], facts: Any, gaps: Graph, rules: Iterable[Rule]) -> Bad:
        graph = Graph(
            facts={"live": facts},
            unavailable=dict(gaps.unavailable),
            bucket_lookup=lambda name: region_of_bucket(name, self._replay.session, "http://recorded.invalid"),
        )
        coverage = live.Coverage()
        for task, (found, problem) in results.items():
            live._take(graph, coverage, task, found, problem)
        live._declare_uncovered(graph, coverage)
        judged = evaluate(graph, self._zone, Stage.LIVE, rules=rules, now=rule_cases.NOW)
        return {(finding.rule, finding.resource) for finding in judged if finding.outcome in BAD}


class _Hashable(live._Task):
    """A task that can stand in a set: by what it collects and where."""

    @classmethod
    def of(cls, task: live._Task) -> _Hashable:
        return cls(task.types, task.collector, task.region, task.skip, task.absent)

    def __hash__(self) -> int:
        return hash((self.types, self.region))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashable) and (self.types, self.region) == (other.types, other.region)


def _same(one: _Result, other: _Result) -> bool:
    if (one[1] is None) != (other[1] is None) or len(one[0]) != len(other[0]):
        return False
    return all(
        (a.id, a.type, a.properties) == (b.id, b.type, b.properties) for a, b in zip(one[0], other[0], strict=True)
    )
