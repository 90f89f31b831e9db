"""The node's metrics in Prometheus exposition format; names and units as in the Prometheus naming practice."""

from __future__ import annotations

import datetime as dt
from collections import Counter as Counts
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from gchain_node.engine.interface import CommittedBlock

if TYPE_CHECKING:
    from gchain_node.api.view import LedgerView

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_SECONDS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


class Metrics:
    """Counts as they happen, and gauges read from the view when somebody scrapes."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._txs = Counter(
            "gchain_transactions", "Transactions in committed blocks, by result code", ["code"], registry=self._registry
        )
        self._blocks = Counter("gchain_blocks", "Blocks committed since the node started", registry=self._registry)
        self._requests = Counter(
            "gchain_http_requests", "HTTP requests answered", ["method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "gchain_http_request_duration_seconds",
            "Time from request to the end of its answer",
            ["method"],
            buckets=_SECONDS,
            registry=self._registry,
        )

    def watch(self, view: LedgerView) -> None:
        """Read gauges from `view` at each scrape."""
        self._registry.register(_Gauges(view))

    def count_block(self, block: CommittedBlock) -> None:
        self._blocks.inc()
        for code, count in Counts(tx.result.code for tx in block.txs).items():
            self._txs.labels(code=str(code)).inc(count)

    def count_request(self, method: str, status: int, seconds: float) -> None:
        known = method if method in {"GET", "HEAD", "POST"} else "other"
        self._requests.labels(method=known, status=str(status)).inc()
        self._seconds.labels(method=known).observe(seconds)

    def exposition(self) -> bytes:
        return generate_latest(self._registry)


class _Gauges(Collector):
    def __init__(self, view: LedgerView) -> None:
        self._view = view

    def describe(self) -> Iterable[Metric]:
        return []  # names depend on what can be read; nothing is computed at registration

    def collect(self) -> Iterator[Metric]:
        for name, text, value in self._readings():
            yield GaugeMetricFamily(name, text, value=value)
        phase = GaugeMetricFamily("gchain_phase", "1 for the phase that the consortium is in", labels=["phase"])
        phase.add_metric([self._view.phase()], 1)
        yield phase

    def _readings(self) -> Iterator[tuple[str, str, float]]:
        view, network = self._view, self._view.network()
        yield "gchain_height", "Last height that the application committed", view.app.info().last_block_height
        yield "gchain_seconds_without_block", "Seconds since the height last changed", view.seconds_without_block()
        yield "gchain_engine_up", "1 while the engine answers", float(network is not None)
        yield "gchain_ready", "1 while the node is ready", float(not view.not_ready())
        if network is not None:
            yield "gchain_engine_height", "Last height that the engine stored", network.height
            yield "gchain_peers", "Peers connected to the engine", len(network.peers)
            yield "gchain_catching_up", "1 while the engine catches up", float(network.catching_up)
            yield "gchain_voting_power", "Voting power of all validators", sum(v.power for v in network.validators)
        verified = view.app.verified
        yield "gchain_signature_cache_entries", "Good signatures remembered", verified.entries
        yield "gchain_signature_cache_hits", "Signatures that were remembered when needed", verified.hits
        yield "gchain_signature_cache_misses", "Signatures that had to be verified", verified.misses
        not_after = view.leaf_not_after()
        if not_after is not None:
            yield "gchain_tls_leaf_expiry_timestamp_seconds", "When the API's certificate ends", not_after.timestamp()
            remaining = (not_after - dt.datetime.now(dt.UTC)).total_seconds()
            yield "gchain_tls_leaf_expiry_seconds", "Seconds until the API's certificate ends", remaining
