"""Whatever is sent, the API answers with a client error in its own shape or with success: never 500, never nothing."""

from __future__ import annotations

import hashlib
import string
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ROOTS = ("v1/query", "v1/tx", "v1/blocks", "v1/members", "v1/proposals", "v1/receipts", "members", "blocks", "tile", "")
HEADERS = st.dictionaries(
    st.sampled_from(["Last-Event-ID", "Accept", "Range", "Content-Type", "X-Forwarded-For"]),
    st.text(string.ascii_letters + string.digits + " /;=,-*\"'", max_size=40).map(str.strip),
    max_size=3,
)


def check(answer: Any) -> None:
    assert answer.status_code < 500, (answer.request.url, answer.text)
    if answer.status_code >= 400 and answer.headers["content-type"] == "application/json":
        body = answer.json()
        assert "error" in body or body.get("code", 0) != 0
    assert answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers


@QUICK
@given(body=st.binary(max_size=400), params=st.dictionaries(st.sampled_from(["timeout", "x"]), st.text(max_size=20)))
def test_no_body_breaks_the_submission(served: Any, body: bytes, params: dict[str, str]) -> None:
    check(served.submit(body, **params))


NOTES = st.sampled_from(["gchain/gchain-dev\n1\n", "\n\n", "— dev ", "AAAA\n", "\u2014", "9" * 40, "gchain-dev"])


@QUICK
@given(body=st.binary(max_size=300) | st.lists(NOTES, max_size=8).map(lambda parts: "".join(parts).encode()))
def test_no_body_breaks_what_else_can_be_handed_in(served: Any, body: bytes) -> None:
    """Checkpoints and reports: bytes of strangers are refused, and leave nothing behind."""
    for method, path in (("POST", "/v1/log/cosigned"), ("PUT", f"/v1/reports/{hashlib.sha256(body).hexdigest()}")):
        answer = served.api.request(method, path, content=body, headers={"Content-Type": "application/octet-stream"})
        check(answer)
        assert 400 <= answer.status_code < 500
    assert served.api.get("/v1/log/cosigned").status_code == 404
    assert served.api.get(f"/v1/reports/{hashlib.sha256(body).hexdigest()}").status_code == 404


@QUICK
@given(root=st.sampled_from(ROOTS), rest=st.text(max_size=60), headers=HEADERS)
def test_no_path_and_no_header_breaks_a_read(served: Any, root: str, rest: str, headers: dict[str, str]) -> None:
    check(served.api.get(f"/{root}/{quote(rest.encode('utf-8', 'surrogatepass'), safe='')}", headers=headers))


@QUICK
@given(
    path=st.sampled_from(["/v1/blocks", "/blocks", "/v1/members", "/v1/proposals", "/search", "/v1/query/members"]),
    params=st.dictionaries(st.sampled_from(["before", "after", "limit", "height", "prove", "q"]), st.text(max_size=30)),
)
def test_no_parameter_breaks_a_list(served: Any, path: str, params: dict[str, str]) -> None:
    check(served.api.get(path, params=params))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_method_that_no_route_has_is_refused(served: Any, method: str) -> None:
    answer = served.api.request(method, "/v1/status", headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 405
    check(answer)
