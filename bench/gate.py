"""What the residency gate costs: a sweep of an account of some five hundred resources, and the pack in a preview.

The account is the clean estate of the tests (`tests/unit/policies/estate.py`) with more buckets in it, in a local cloud
of its own. The preview is the convenor's member stack by the real engine, which nobody has made yet: with and without
the pack, turn about, in one run.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import yaml

from gchain.environment import Environment
from gchain.sandbox.sandbox import Sandbox
from gchain.stacks.automation import StackRun
from gchain.stacks.bootstrap import bootstrap
from gchain.stacks.cli import policy_pack
from gchain.stacks.site import site
from gchain.workspace import REPOSITORY
from policies.engine import evaluate
from policies.outcomes import Stage
from policies.sources.live import sweep
from policies.zone import ZonePolicy
from tests.unit.policies import estate
from tests.unit.policies.local_cloud import Cloud, running

__all__ = ["preview", "sweep_of_account"]

_BUCKETS = 16
_TURNS = 3
_ZONE = REPOSITORY / "tests" / "cases" / "rules" / "zone.yaml"


def sweep_of_account() -> dict[str, Any]:
    """Resources found, API calls sent (repeats included) by service, seconds on the clock and of this process."""
    zone = ZonePolicy.from_mapping(yaml.safe_load(_ZONE.read_text()))
    with TemporaryDirectory() as directory, running(Path(directory)) as cloud:
        estate.build(cloud)
        _more_buckets(cloud)
        session, calls = _counting(cloud)
        started, worked = time.perf_counter(), time.process_time()
        graph, coverage = sweep(session, zone, endpoint=cloud.url)
        seconds, cpu = time.perf_counter() - started, time.process_time() - worked
        started = time.perf_counter()
        evaluate(graph, zone, Stage.LIVE)
        judged = time.perf_counter() - started
    if coverage.gaps:
        raise RuntimeError(f"the sweep has gaps: {coverage.gaps}")
    return {
        "resources": len(graph.resources),
        "regions": len(coverage.zone_regions) + len(coverage.probed_regions),
        "calls": calls.total(),
        "services": dict(calls.most_common(5)),
        "seconds": seconds,
        "cpu": cpu,
        "judged": judged,
    }


def _more_buckets(cloud: Cloud) -> None:
    for region in estate.REGIONS:
        key = estate.clean_key(cloud, region)
        for number in range(_BUCKETS):
            estate.clean_bucket(cloud, f"estate-more-{region}-{number}", region, key)


def _counting(cloud: Cloud) -> tuple[boto3.Session, Counter[str]]:
    """A session whose clients count each request that goes out, by service."""
    calls: Counter[str] = Counter()
    lock = threading.Lock()

    def count(event_name: str, **_: Any) -> None:
        with lock:
            calls[event_name.split(".")[1]] += 1

    session = cloud.session()
    session.events.register("before-send", count)
    return session, calls


def preview(environment: Environment, name: str) -> dict[str, Any]:
    """Seconds of each preview of a member stack that is not made yet, with and without the pack."""
    box, member = Sandbox(name), environment.convenor.name
    box.workspace.run.mkdir(parents=True, exist_ok=True)
    try:
        box.start(environment)
        bootstrap(site(environment, box.workspace, member), lambda _: None)
        judged = StackRun(environment, box.workspace, member, policy_pack=policy_pack())
        plain = StackRun(environment, box.workspace, member)
        plain.preview()  # once unmeasured: the first one fills the caches of both
        turns = [(_seconds(plain), _seconds(judged)) for _ in range(_TURNS)]
        resources = sum(judged.preview().by_kind.values())
    finally:
        box.down()
    without, with_pack = zip(*turns, strict=True)
    ratio = median(with_pack) / median(without)
    return {"resources": resources, "without": without, "with": with_pack, "ratio": ratio}


def _seconds(run: StackRun) -> float:
    started = time.perf_counter()
    changes = run.preview()
    if changes.none:
        raise RuntimeError("the stack was made already: a preview without changes measures something else")
    return time.perf_counter() - started
