"""Shapes of HTTP answers: JSON, and errors that a client can switch on."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gchain_node.api.rendering import code_name
from gchain_node.codes import Code
from gchain_node.errors import EngineError, EngineUnreachable, NodeError, TransactionError

__all__ = ["EXCEPTION_HANDLERS", "Refusal", "error", "status_of_code"]

_STATUS: Final[dict[int, int]] = {
    Code.NOT_FOUND: 404,
    Code.UNKNOWN_QUERY: 404,
    Code.HEIGHT_PRUNED: 410,
    Code.BLOCK_NOT_KEPT: 410,
    Code.HEIGHT_AHEAD: 409,
    Code.TOO_LARGE: 413,
    Code.INTERNAL: 500,
}


class Refusal(HTTPException):
    """Ends a request with an HTTP status and, where the ledger decided, its result code."""

    def __init__(
        self, status: int, message: str, *, code: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code


def status_of_code(code: int) -> int:
    """The HTTP status that says the same as a result code of the ledger."""
    return 200 if code == 0 else _STATUS.get(code, 422)


def error(
    status: int, message: str, *, code: int | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """`{"error": {"status", "message", "code", "name"}}`; code and name where the ledger decided."""
    body: dict[str, Any] = {"status": status, "message": message}
    if code is not None:
        body |= {"code": code, "name": code_name(code)}
    return JSONResponse({"error": body}, status, headers)


async def _on_http(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, HTTPException)  # noqa: S101 -- registered for this class below
    code = exception.code if isinstance(exception, Refusal) else None
    message = exception.detail or HTTPStatus(exception.status_code).phrase
    return error(exception.status_code, message, code=code, headers=exception.headers)


async def _on_node_error(request: Request, exception: Exception) -> Response:
    if isinstance(exception, TransactionError):
        return error(status_of_code(exception.code), str(exception), code=exception.code)
    if isinstance(exception, EngineUnreachable):
        return error(503, str(exception), headers={"Retry-After": "2"})
    return error(502 if isinstance(exception, EngineError) else 500, str(exception))


async def _on_defect(request: Request, exception: Exception) -> Response:
    """What nobody foresaw: the log has it, the client learns nothing of the inside. No middleware sees this answer."""
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return error(500, "the node failed on this request; its log says how", headers=headers)


EXCEPTION_HANDLERS: Final = {HTTPException: _on_http, NodeError: _on_node_error, Exception: _on_defect}
