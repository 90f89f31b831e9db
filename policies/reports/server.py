"""`gchain report serve`: the officer's pages on this machine, made anew from the files at every request.

Reads signed files and writes nothing: the waiver form gives back a file to sign with `gchain report waive --file`. It
listens on loopback, answers to loopback's names alone (so that no page elsewhere can ask it through DNS), and needs no
script.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from gchain.workspace import Workspace
from policies import waivers
from policies.canonical import digest
from policies.catalogue import catalogue
from policies.errors import PolicyError, ReportError, WaiverError
from policies.officers import read_envelope
from policies.register import agreed_genesis, known_officers
from policies.reports import history, pages, schemas
from policies.reports.compare import compare
from policies.reports.member import PAYLOAD_TYPE
from policies.validity import MAXIMUM_LIFE

__all__ = ["application", "run"]

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_LARGEST_FORM = 16_384
_FIELDS = ("member", "rule", "resource", "reason", "control", "days")


def application(workspace: Workspace) -> Starlette:
    """The pages over one workspace's public files."""
    routes = [
        Route("/", partial(_answer, workspace, _report)),
        Route("/compare", partial(_answer, workspace, _compare)),
        Route("/evidence/{member}/{rule}/{stage}", partial(_answer, workspace, _evidence)),
        Route("/waiver", partial(_answer, workspace, _waiver_form), methods=["GET"]),
        Route("/waiver", partial(_answer, workspace, _waiver_file), methods=["POST"]),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    return Starlette(routes=routes, middleware=[hosts])


def run(workspace: Workspace, port: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C."""
    say(f"http://127.0.0.1:{port}/  (Ctrl-C ends it)")
    uvicorn.run(application(workspace), host="127.0.0.1", port=port, log_level="warning", server_header=False)


Page = Callable[[Workspace, Request], Any]


async def _answer(workspace: Workspace, page: Page, request: Request) -> Response:
    try:
        made = page(workspace, request)
        response = await made if not isinstance(made, Response | str) else made
    except PolicyError as error:
        remedy = f" What to do: {error.remedy}." if error.remedy else ""
        response = HTMLResponse(pages.message("Not available", f"{error}.{remedy}"), status_code=404)
    if isinstance(response, str):
        response = HTMLResponse(response)
    response.headers.update(_HEADERS)
    return response


def _current(workspace: Workspace) -> dict[str, Any]:
    return _read(workspace.public / "consortium-report.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ReportError(f"{path.name}: {error}", remedy="merge the member reports: gchain report merge") from error
    schemas.check_consortium(document, path.name)
    return dict(document)


def _report(workspace: Workspace, _: Request) -> str:
    report = _current(workspace)
    past = history.entries(workspace)
    return pages.report(report, compare(_read(past[-1].path), report) if past else None)


def _compare(workspace: Workspace, request: Request) -> str:
    past = {entry.name: entry for entry in history.entries(workspace)}
    current = _current(workspace)
    chosen = request.query_params.get("old") or (list(past)[-1] if past else None)
    if chosen is None:
        return pages.message("Nothing to compare", "No earlier report yet: one is kept when a merge changes it.")
    if chosen not in past:
        raise ReportError(f"there is no earlier report {chosen!r}")
    return pages.comparison(list(past.values()), chosen, compare(_read(past[chosen].path), current))


def _evidence(workspace: Workspace, request: Request) -> str:
    """The findings behind a row, from the signed member report, with their digest computed again."""
    member, rule, stage = (request.path_params[name] for name in ("member", "rule", "stage"))
    report = _current(workspace)
    row = next((r for r in report["table"] if (r["member"], r["rule"], r["stage"]) == (member, rule, stage)), None)
    if row is None:
        raise ReportError(f"the report has no row of {rule} at {stage} for {member}")
    document, signers = _member_report(workspace, member)
    findings = [f for f in document["stages"][stage]["findings"] if f["rule"] == rule]
    return pages.evidence(row, findings, digest(findings), signers, document)


def _member_report(workspace: Workspace, member: str) -> tuple[dict[str, Any], list[str]]:
    envelope = read_envelope(workspace.reports / f"{member}.dsse.json")
    genesis = agreed_genesis(workspace.genesis)
    document, signers = known_officers(workspace, genesis).verify(envelope, PAYLOAD_TYPE)
    return document, [str(officer) for officer in signers]


def _waiver_form(workspace: Workspace, request: Request) -> str:
    report = _current(workspace)
    given = {name: request.query_params.get(name, "") for name in _FIELDS}
    return pages.waiver_form(report, given | {"days": given["days"] or "30"}, "")


async def _waiver_file(workspace: Workspace, request: Request) -> Response:
    given = await _form(request)
    try:
        document = _draft(_current(workspace), given)
    except WaiverError as error:
        text = pages.waiver_form(_current(workspace), given, f"{error}. {error.remedy or ''}")
        return HTMLResponse(text, status_code=422)
    name = f"waiver-{document['member']}-{document['rule']}.json"
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="application/json", headers=headers)


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            raise ReportError("the form is too large")
    fields = parse_qs(body.decode(errors="replace"), keep_blank_values=True)
    return {name: fields.get(name, [""])[0].strip() for name in _FIELDS}


def _draft(report: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    if given["rule"] not in catalogue():
        raise WaiverError(f"the catalogue has no rule {given['rule']!r}")
    if given["member"] not in [each["member"] for each in report["members"]]:
        raise WaiverError(f"there is no member {given['member']!r}")
    if not given["days"].isdecimal() or not 0 < int(given["days"]) <= MAXIMUM_LIFE.days:
        raise WaiverError(f"days is {given['days']!r}: 1 to {MAXIMUM_LIFE.days} expected")
    document = waivers.draft(
        given["member"],
        given["rule"],
        given["resource"],
        reason=given["reason"],
        compensating_control=given["control"],
        days=int(given["days"]),
    )
    waivers.check_draft(document, given["member"])
    return document
