"""How long the rules take on a large estate: a real stack's state, repeated until there are ten thousand resources."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

from gchain.environment import Environment
from gchain.sandbox.sandbox import Sandbox
from gchain.stacks.automation import StackRun
from policies.engine import evaluate
from policies.outcomes import Stage
from policies.rules import RULES
from policies.sources import stack_state
from policies.zone import ZonePolicy

__all__ = ["Judged", "measure"]

_WANTED = 10_000


@dataclass(frozen=True)
class Judged:
    """One evaluation: how many resources, by how many rules, in how many seconds."""

    resources: int
    rules: int
    seconds: float


def measure(environment: Environment, sandbox: Sandbox) -> Judged:
    """Evaluate the convenor's stack, repeated, at the state stage."""
    stack = StackRun(environment, sandbox.workspace, environment.convenor.name)
    export = stack.export()
    export["deployment"]["resources"] = _repeated(export["deployment"]["resources"])
    graph = stack_state.graph(export, stack.site.stack)
    zone = ZonePolicy.of(environment)
    started = time.perf_counter()
    evaluate(graph, zone, Stage.STATE, member=environment.convenor.name)
    return Judged(len(graph.resources), len(RULES), time.perf_counter() - started)


def _repeated(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources again and again under other names; the stack and its providers once."""
    custom = [each for each in resources if each.get("custom") and not each["type"].startswith("pulumi:")]
    copies = []
    for number in range(-(-_WANTED // len(custom))):
        for each in custom:
            again = copy.deepcopy(each)
            again["urn"] = f"{each['urn']}-{number}"
            copies.append(again)
    return [each for each in resources if each not in custom] + copies[:_WANTED]
