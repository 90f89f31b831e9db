"""The node's two HTTP applications: read-only status (plain, 8080) and the API (TLS, 8443), over one view.

| route | status | API |
| --- | --- | --- |
| pages and reads of a group in `[http] public` | yes | yes |
| pages and reads of another group | no | with a client certificate of a registered member |
| `/v1/codes`, `/openapi.json`, `/healthz`, `/readyz` | yes | yes |
| `POST /v1/tx`, `POST /v1/log/cosigned`, `PUT /v1/reports/<sha256>` | no | yes |
| `POST /light` (under CometBFT) | no | yes |
| `/metrics` | no | with a client certificate of a registered member |
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Collection

from anyio import to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gchain_node.api.answers import EXCEPTION_HANDLERS, Refusal
from gchain_node.api.edge import EdgeLimits
from gchain_node.api.events import Events
from gchain_node.api.explorer import Explorer
from gchain_node.api.export import export_routes
from gchain_node.api.light import Light
from gchain_node.api.limits import RateLimit
from gchain_node.api.lists import Lists
from gchain_node.api.log import cose_receipt_routes, cosigning_routes, log_routes
from gchain_node.api.middleware import BodyLimits, Observe, RequestRate, SecurityHeaders
from gchain_node.api.public import guarded
from gchain_node.api.reads import Reads
from gchain_node.api.reports import report_routes, report_submission_routes
from gchain_node.api.submission import Submission
from gchain_node.api.tls import LeafStore
from gchain_node.api.view import LedgerView
from gchain_node.api.web import Pages
from gchain_node.config import ALL_READS, ReadGroup
from gchain_node.metrics import CONTENT_TYPE, Metrics

__all__ = ["api_application", "status_application"]


def status_application(
    view: LedgerView,
    metrics: Metrics,
    *,
    public: Collection[ReadGroup] = ALL_READS,
    reads: RateLimit | None = None,
) -> Starlette:
    """Pages and reads, nothing that changes the ledger; as often as `reads` lets each client (None: without limit)."""
    return _application(_read_routes(view, public), metrics, _reading(reads))


def api_application(
    view: LedgerView,
    metrics: Metrics,
    limit: RateLimit,
    *,
    leaf: LeafStore | None = None,
    max_body: int = 1_048_576,
    light: Light | None = None,
    public: Collection[ReadGroup] = ALL_READS,
    reads: RateLimit | None = None,
    request_seconds: float = EdgeLimits().request_seconds,
) -> Starlette:
    """Everything. Without `leaf` (the embedded engine on loopback) nobody has a client certificate."""
    routes = [
        *_read_routes(view, public),
        *cosigning_routes(view),
        Route("/v1/tx", Submission(view, limit).submit, methods=["POST"]),
        *report_submission_routes(view),
        Route("/metrics", _metrics_endpoint(metrics), methods=["GET"]),
    ]
    if light is not None:
        routes.append(Route("/light", light.ask, methods=["POST"]))
    identify = [] if leaf is None else [Middleware(Identify, leaf=leaf)]
    body = Middleware(BodyLimits, max_body=max_body, seconds=request_seconds)
    return _application(routes, metrics, [*identify, *_reading(reads), body])


def _reading(reads: RateLimit | None) -> list[Middleware]:
    return [] if reads is None else [Middleware(RequestRate, limit=reads)]


def _application(routes: list[BaseRoute], metrics: Metrics, middleware: list[Middleware]) -> Starlette:
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(Observe, report=metrics.count_request),
            Middleware(SecurityHeaders),
            *middleware,
        ],
        exception_handlers=dict(EXCEPTION_HANDLERS),
    )


def _read_routes(view: LedgerView, public: Collection[ReadGroup]) -> list[BaseRoute]:
    """Every read. A new one is a line in its group here and a path in openapi.json."""
    reads, lists, pages, explorer = Reads(view), Lists(view), Pages(view), Explorer(view)
    groups: dict[ReadGroup, list[BaseRoute]] = {
        "status": [Route("/", pages.status), Route("/v1/status", reads.status)],
        "state": [
            Route("/members", explorer.members),
            Route("/members/{name}", explorer.member),
            Route("/proposals", explorer.proposals),
            Route("/proposals/{name}", explorer.proposal),
            Route("/v1/members", lists.members),
            Route("/v1/members/{name}", lists.member),
            Route("/v1/proposals", lists.proposals),
            Route("/v1/proposals/{name}", lists.proposal),
            Route("/v1/query/{path:path}", reads.query),
            *report_routes(view),
        ],
        "blocks": [
            Route("/search", explorer.search),
            Route("/blocks", explorer.blocks),
            Route("/blocks/{height:int}", pages.block),
            Route("/transactions/{hash}", pages.transaction),
            Route("/v1/tx/{hash}", reads.transaction, methods=["GET"]),
            Route("/v1/blocks", lists.blocks),
            Route("/v1/blocks/{height:int}", reads.block),
            Route("/v1/headers/{height:int}", reads.header),
        ],
        "receipts": [Route("/v1/receipts/{hash}", reads.receipt), *cose_receipt_routes(view)],
        "events": [Route("/v1/events", Events(view).stream)],
        "log": log_routes(view),
        "export": export_routes(view),
    }
    return [
        *guarded(groups, public),
        Route("/v1/codes", reads.codes),
        Route("/openapi.json", reads.openapi),
        Route("/healthz", reads.health),
        Route("/readyz", reads.ready),
    ]


class Identify:
    """Notes in the scope which member's client certificate the connection showed (`gchain.member`, or None).

    The listener puts the certificate itself there (`gchain.certificate`); membership is looked up at each request.
    """

    def __init__(self, app: ASGIApp, leaf: LeafStore) -> None:
        self._app = app
        self._leaf = leaf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        certificate: bytes | None = scope.get("gchain.certificate")
        if certificate is not None:
            scope["gchain.member"] = self._leaf.trust.member_of(certificate, dt.datetime.now(dt.UTC))
        await self._app(scope, receive, send)


def _metrics_endpoint(metrics: Metrics) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if request.scope.get("gchain.member") is None:
            raise Refusal(403, "metrics are for clients with a certificate that a registered member's TLS key issued")
        return Response(await to_thread.run_sync(metrics.exposition), media_type=CONTENT_TYPE)

    return endpoint
