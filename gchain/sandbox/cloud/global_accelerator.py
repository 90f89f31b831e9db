"""AWS Global Accelerator, which moto lacks: enough of it to make an accelerator and to be seen having none.

API: CreateAccelerator, ListAccelerators, DeleteAccelerator (JSON 1.1, target `GlobalAccelerator_V20180706`).
Accelerators are per account; traffic is not forwarded.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from gchain.sandbox.cloud.requests import body_of

__all__ = ["GlobalAccelerator"]

_TARGET = "GlobalAccelerator_V20180706."
Answer = tuple[str, dict[str, Any]]


class GlobalAccelerator:
    """WSGI middleware that answers for this one service; the account is the one that the credential check found."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._accelerators: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._actions: dict[str, Callable[[str, dict[str, Any]], Answer]] = {
            "CreateAccelerator": self._create,
            "ListAccelerators": self._list,
            "DeleteAccelerator": self._delete,
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if not target.startswith(_TARGET):
            answer: Iterable[bytes] = self._app(environ, start_response)
            return answer
        asked = json.loads(body_of(environ) or b"{}")
        action = self._actions.get(target.removeprefix(_TARGET), _unknown)
        status, document = action(str(environ.get("gchain.account", "")), asked)
        start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
        return [json.dumps(document).encode()]

    def _create(self, account: str, asked: dict[str, Any]) -> Answer:
        arn = f"arn:aws:globalaccelerator::{account}:accelerator/{secrets.token_hex(8)}"
        made = {"AcceleratorArn": arn, "Name": asked.get("Name", ""), "Enabled": bool(asked.get("Enabled", True))}
        self._accelerators[account][arn] = made | {"Status": "DEPLOYED"}
        return "200 OK", {"Accelerator": self._accelerators[account][arn]}

    def _list(self, account: str, asked: dict[str, Any]) -> Answer:
        return "200 OK", {"Accelerators": list(self._accelerators[account].values())}

    def _delete(self, account: str, asked: dict[str, Any]) -> Answer:
        if self._accelerators[account].pop(str(asked.get("AcceleratorArn")), None) is None:
            return "400 Bad Request", {"__type": "AcceleratorNotFoundException", "Message": "no such accelerator"}
        return "200 OK", {}


def _unknown(account: str, asked: dict[str, Any]) -> Answer:
    return "400 Bad Request", {"__type": "InvalidArgumentException", "Message": "not an action of the local cloud"}
