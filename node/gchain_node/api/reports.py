"""What stands behind the ledger's opening: policy, zone, standing of the members, and the reports that are anchored.

A report is shown from its own anchored bytes: nothing of the page comes from elsewhere, so it says what officers signed
for. `PUT /v1/reports/<sha256>` hands one in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any, Final

from anyio import to_thread
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from gchain_node.api.answers import Refusal
from gchain_node.api.pages import missing, render
from gchain_node.api.rendering import json_value
from gchain_node.api.view import LedgerView
from gchain_node.modules.compliance import standing
from gchain_node.proof.rpc_json import text_time

__all__ = ["Reports", "report_routes", "report_submission_routes"]

_SHOWN: Final = 500  # findings of one page
_FILTERS: Final = ("member", "stage", "outcome", "rule")


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Reason(_Lenient):
    message: str


class _Verdict(_Lenient):
    ok: bool
    reasons: list[_Reason]


class _Member(_Lenient):
    member: str
    generated_at: str
    signed_by: list[str]
    outcomes: dict[str, int]


class _Finding(_Lenient):
    rule: str
    member: str
    stage: str
    outcome: str
    resource: str
    message: str


class _Waiver(_Lenient):
    rule: str
    member: str
    resource: str
    reason: str
    compensating_control: str
    expires: str
    approvers: list[str]


class _Rules(_Lenient):
    catalogue_size: int
    enforced: list[str]


class _Report(_Lenient):
    """A consortium report, as far as it is shown."""

    consortium: str
    generated_at: str
    verdict: _Verdict
    members: list[_Member]
    findings: list[_Finding]
    waivers: list[_Waiver]
    rules: _Rules
    zone_digest: str


class Reports:
    """Endpoints over one view; what reads files or state runs on a thread of the pool."""

    def __init__(self, view: LedgerView) -> None:
        self._view = view

    async def policy(self, request: Request) -> Response:
        return await to_thread.run_sync(self._policy)

    async def page(self, request: Request) -> Response:
        asked = {name: request.query_params.get(name, "")[:80] for name in _FILTERS}
        return await to_thread.run_sync(self._page, request.path_params["digest"], asked)

    async def raw(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        self._anchor(digest)
        raw = await to_thread.run_sync(self._view.reports.get, digest)
        if raw is None:
            raise Refusal(404, f"report {digest} is anchored, but this node does not have it")
        headers = {"Content-Disposition": f'attachment; filename="{digest}"'}
        return Response(raw, media_type="application/octet-stream", headers=headers)

    async def listed(self, request: Request) -> Response:
        rows = await to_thread.run_sync(self._anchors)
        return JSONResponse({"reports": rows})

    async def hand_in(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        self._anchor(digest)
        raw = await request.body()
        if hashlib.sha256(raw).hexdigest() != digest:
            raise Refusal(422, f"the body's SHA-256 is {hashlib.sha256(raw).hexdigest()}, not {digest}")
        await to_thread.run_sync(self._view.reports.put, raw, self._latest())
        return JSONResponse({"digest": digest, "bytes": len(raw)})

    def _anchor(self, digest: str) -> dict[str, Any]:
        """What the ledger has of a digest. Raises `Refusal` if it is not anchored."""
        plain = len(digest) == 64 and set(digest) <= set("0123456789abcdef")
        found: dict[str, Any] | None = self._view.state(f"compliance/anchors/{digest}") if plain else None
        if found is None:
            raise Refusal(404, f"no report {digest[:80]!r} is anchored on this ledger")
        return found

    def _latest(self) -> Collection[str]:
        index = self._view.state("compliance/anchors") or {"latest": []}
        return [str(digest) for digest in index["latest"]]

    def _anchors(self) -> list[dict[str, Any]]:
        """The latest anchored reports, newest first, and whether this node has their bytes."""
        rows = []
        for digest in self._latest():
            entry = self._anchor(digest)
            row = {name: entry[name] for name in ("kind", "member", "officer", "verdict", "height")}
            kept = self._view.reports.get(digest) is not None
            rows.append({"digest": digest, **row, "time": text_time(entry["time_ns"]), "kept": kept})
        return rows

    def _policy(self) -> Response:
        view, height = self._view, self._view.app.info().last_block_height
        opening = view.state("governance/go-live")
        changes = (view.state("governance/zone-changes") or {"changes": []})["changes"]
        members = [
            (member["name"], *standing(view.state(f"compliance/members/{member['name']}"), height))
            for member in view.members()
            if member["status"] == "active"
        ]
        return HTMLResponse(
            render(
                "policy.html",
                chain_id=view.chain_id,
                here="/policy",
                consortium=view.state("consortium") or {},
                rules=view.state("rules") or {"digest": "", "enforced": []},
                opening=json_value(opening) if opening else None,
                changes=changes,
                members=members,
                reports=self._anchors(),
            )
        )

    def _page(self, digest: str, asked: dict[str, str]) -> Response:
        try:
            entry = self._anchor(digest)
        except Refusal as refusal:
            message = f"No report {digest[:80]} is anchored on this ledger."
            return missing(message, self._view.chain_id, refusal.status_code)
        raw = self._view.reports.get(digest)
        report, problem = None, "This node does not have the report; another one may."
        if raw is not None:
            try:
                report, problem = _Report.model_validate_json(raw), ""
            except ValidationError:
                problem = "This is no consortium report: it is given as it is, below."
        found = _filtered(report, asked) if report else []
        choices = {name: sorted({getattr(f, name) for f in report.findings}) for name in _FILTERS} if report else {}
        return HTMLResponse(
            render(
                "report.html",
                chain_id=self._view.chain_id,
                here="",
                digest=digest,
                anchor=entry | {"time": text_time(entry["time_ns"])},
                kept=raw is not None,
                report=report,
                problem=problem,
                findings=found[:_SHOWN],
                found=len(found),
                asked=asked,
                choices=choices,
            )
        )


def _filtered(report: _Report, asked: dict[str, str]) -> list[_Finding]:
    return [f for f in report.findings if all(not value or getattr(f, name) == value for name, value in asked.items())]


def report_routes(view: LedgerView) -> list[Route]:
    """Reads; one group of `[http] public`."""
    reports = Reports(view)
    return [
        Route("/policy", reports.policy),
        Route("/reports/{digest}", reports.page),
        Route("/v1/reports", reports.listed),
        Route("/v1/reports/{digest}", reports.raw, methods=["GET"]),
    ]


def report_submission_routes(view: LedgerView) -> list[Route]:
    """At the API listener alone."""
    return [Route("/v1/reports/{digest}", Reports(view).hand_in, methods=["PUT"])]
