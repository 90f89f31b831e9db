"""The node's web pages: rendered on the server, kept current by a small script, no asset from anywhere else."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from typing import Any, Final

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse

__all__ = ["CONTENT_SECURITY_POLICY", "missing", "render"]


def _text(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """A Content-Security-Policy source that allows exactly this inline text (CSP Level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_CSS: Final = _text("page.css")
_JS: Final = _text("page.js")
CONTENT_SECURITY_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        f"style-src {_source(_CSS)}",
        f"script-src {_source(_JS)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)

_SECTIONS: Final = (
    ("/", "Overview"),
    ("/blocks", "Blocks"),
    ("/members", "Members"),
    ("/proposals", "Proposals"),
    ("/policy", "Policy"),
)
_PHASES: Final = {
    "forming": "only membership and governance transactions pass",
    "live": "open for business transactions",
    "not-started": "waiting for the first block",
}


def _share(part: int, whole: int) -> Markup:
    """A small bar for a part of the voting power; decoration, since the figure stands beside it."""
    width = round(100 * part / whole) if whole else 0
    return Markup(
        '<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="10"/></svg>'
    ).format(width)


def _clock(time: str, *, exact: bool = False) -> Markup:
    """`2026-11-23 05:08:02` of an RFC 3339 time in UTC; a line may end between the two and nowhere else.

    Args:
        exact: with all digits of the second.
    """
    words = time[:10], time[11:].rstrip("Z") if exact else time[11:19]
    return Markup('<span class="whole">{}</span> <span class="whole">{}</span>').format(*words)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__name__, package_path="."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        css=Markup(_CSS),  # noqa: S704 -- files of this package
        js=Markup(_JS),  # noqa: S704 -- the same
        sections=_SECTIONS,
        share=_share,
        clock=_clock,
        phase_note=lambda phase: _PHASES.get(phase, ""),
    )
    return environment


_ENVIRONMENT: Final = _environment()


def render(template: str, **values: Any) -> str:
    """The HTML of `template` (a file of this package); every value is escaped."""
    return _ENVIRONMENT.get_template(template).render(**values)


def missing(message: str, chain_id: str, status: int = 404) -> HTMLResponse:
    """The page that says what is not there."""
    return HTMLResponse(render("missing.html", message=message, chain_id=chain_id), status)
