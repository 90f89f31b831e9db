"""What a rule is: an id, a remedy, and checks. Its sentence, severity, stages and controls come from the catalogue.

A check is a generator of faults: sentences that say what was found. No fault is a pass. It may raise `UnknownValue`
through the view that it reads; the engine turns that into *indeterminate*, and any other exception into *error* for
that rule alone.

    rule = Rule("RES-040", remedy="Create a single-Region key in each zone region.")

    @rule.on("aws:kms/key:Key")
    def single_region(key: View, at: Context) -> Iterator[str]:
        if key.flag("multiRegion"):
            yield "multiRegion is true"
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from policies.catalogue import Entry, catalogue
from policies.graph import UNKNOWN, Graph, Resource
from policies.outcomes import Severity, Stage
from policies.view import UnknownValue, View
from policies.zone import ZonePolicy

__all__ = ["CLOUD_STAGES", "TOTAL_STAGES", "Context", "NotJudged", "Rule", "Verdict"]

CLOUD_STAGES = frozenset({Stage.PLAN, Stage.STATE, Stage.LIVE})
"""The stages whose graph holds cloud resources."""

TOTAL_STAGES = frozenset({Stage.PREFLIGHT, Stage.LIVE, Stage.NODE, Stage.ATTEST})
"""The stages whose sources state every attribute: one that is missing is unknown, not unset."""


@dataclass(frozen=True)
class Context:
    """What a check may look at besides its resource."""

    zone: ZonePolicy
    graph: Graph
    stage: Stage
    now: datetime
    member: str | None = None

    def view(self, resource: Resource) -> View:
        return View(resource.properties, total=self.stage in TOTAL_STAGES)

    @cached_property
    def facts(self) -> View:
        return View(self.graph.facts, total=True)

    def region(self, resource: Resource) -> str:
        """The effective region of a regional resource.

        Raises:
            UnknownValue: neither resource, provider nor ARN tells it.
        """
        found = resource.region
        if not isinstance(found, str):
            raise UnknownValue("the region is not known: neither resource, provider nor ARN tells it")
        return found

    def bucket_region(self, name: str) -> str:
        """The region of a bucket, from the graph, the zone's external buckets, or the cloud.

        Raises:
            UnknownValue: none of them knows the bucket.
        """
        found = self.graph.bucket_region(name) or self.zone.external_buckets.get(name)
        if found is UNKNOWN or not isinstance(found, str):
            raise UnknownValue(f"the region of bucket {name} is not known: it is in no stack, zone file or listing")
        return found


class NotJudged(Exception):  # noqa: N818 (a signal to the engine, not an error)
    """This resource is none that the rule speaks of."""


class Verdict(NamedTuple):
    """What a whole-graph check says of one subject: a resource id, `host/<name>`, `ledger` or another name."""

    subject: str
    faults: list[str]
    evidence: object = None


ResourceCheck = Callable[[View, "Context"], Iterator[str]]
LocatedCheck = Callable[[Resource, "Context"], Iterator[str]]
WholeCheck = Callable[["Context"], Iterator[Verdict]]


@dataclass(frozen=True, eq=False)
class Rule:
    """One rule of the catalogue, with the checks that judge it."""

    id: str
    remedy: str
    resource_checks: dict[str, list[ResourceCheck]] = field(default_factory=dict)
    located_checks: list[tuple[frozenset[str], LocatedCheck]] = field(default_factory=list)
    related_checks: list[tuple[frozenset[str], LocatedCheck]] = field(default_factory=list)
    whole_checks: dict[Stage, list[WholeCheck]] = field(default_factory=dict)
    host_checks: list[ResourceCheck] = field(default_factory=list)

    @property
    def entry(self) -> Entry:
        return catalogue()[self.id]

    @property
    def severity(self) -> Severity:
        return self.entry.severity

    @property
    def types(self) -> frozenset[str]:
        """The resource types that this rule judges one by one."""
        return frozenset(self.resource_checks).union(
            *(types for types, _ in [*self.located_checks, *self.related_checks])
        )

    @property
    def judges_every_type(self) -> bool:
        return any(not types for types, _ in self.located_checks)

    def on(self, *types: str) -> Callable[[ResourceCheck], ResourceCheck]:
        """A check of each resource of these types, by its properties."""

        def register(check: ResourceCheck) -> ResourceCheck:
            for name in types:
                self.resource_checks.setdefault(name, []).append(check)
            return check

        return register

    def located(self, *types: str) -> Callable[[LocatedCheck], LocatedCheck]:
        """A check that also needs the resource's place or provider; without types, of every resource."""

        def register(check: LocatedCheck) -> LocatedCheck:
            self.located_checks.append((frozenset(types), check))
            return check

        return register

    def related(self, *types: str) -> Callable[[LocatedCheck], LocatedCheck]:
        """A check of each resource of these types together with others of the complete graph, such as its children."""

        def register(check: LocatedCheck) -> LocatedCheck:
            self.related_checks.append((frozenset(types), check))
            return check

        return register

    def whole(self, *stages: Stage) -> Callable[[WholeCheck], WholeCheck]:
        """A check that needs the complete graph or its facts, at the given stages."""

        def register(check: WholeCheck) -> WholeCheck:
            for stage in stages:
                self.whole_checks.setdefault(stage, []).append(check)
            return check

        return register

    def each_host(self, check: ResourceCheck) -> ResourceCheck:
        """A check of each host's facts, at the node stage."""
        self.host_checks.append(check)
        return check
