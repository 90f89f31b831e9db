"""CometBFT's own RPC (JSON-RPC 2.0 over HTTP, loopback only): what the node asks its engine for.

Source: CometBFT v0.38 RPC specification. 64-bit integers are decimal strings there, hashes upper-case hex, transactions
and signatures base64.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import httpx

from gchain_node.errors import EngineError, EngineUnreachable
from gchain_node.messages import TxResult

__all__ = ["EngineRpc", "RpcError", "tx_result"]

_TIMEOUT: Final = httpx.Timeout(10.0, connect=2.0)
_LIMITS: Final = httpx.Limits(max_connections=64, max_keepalive_connections=16)
_NOT_THERE: Final = ("must be less than or equal to", "is not available", "could not find")
_PAGE: Final = 100  # the engine's largest page of validators


class RpcError(EngineError):
    """The engine answered with an error; `data` is its detail."""

    def __init__(self, method: str, message: str, data: str) -> None:
        super().__init__(f"the engine refused {method}: {data or message}")
        self.data = data


class EngineRpc:
    """Calls of one engine's RPC. May be used by several threads at a time.

    Args:
        url: `http://127.0.0.1:26657`.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=_TIMEOUT, limits=_LIMITS, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of one call.

        Raises:
            EngineUnreachable: no answer, or one that is no JSON-RPC.
            RpcError: the engine refused.
        """
        answer = self.forward({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})
        if "error" in answer:
            raise RpcError(method, str(answer["error"].get("message", "")), str(answer["error"].get("data", "")))
        result: dict[str, Any] = answer["result"]
        return result

    def forward(self, body: dict[str, Any]) -> dict[str, Any]:
        """The `{"result": ...}` or `{"error": ...}` of a JSON-RPC request. Raises `EngineUnreachable`."""
        method = body["method"]
        try:
            answer = self._http.post("/", json=body).json()
        except (httpx.HTTPError, ValueError) as error:
            raise EngineUnreachable(
                f"the engine's RPC at {self.url} did not answer {method}: {error or type(error).__name__}",
                remedy="see whether the engine (cometbft) runs and `engine.rpc` in node.toml names its RPC address",
            ) from error
        if not isinstance(answer, dict) or not isinstance(answer.get("result", answer.get("error")), dict):
            raise EngineUnreachable(f"what answers at {self.url} is no CometBFT RPC")
        return {name: answer[name] for name in ("result", "error") if name in answer}

    def status(self) -> dict[str, Any]:
        return self.call("status")

    def net_info(self) -> dict[str, Any]:
        return self.call("net_info")

    def broadcast_tx_sync(self, raw: bytes) -> dict[str, Any]:
        """Give the engine a transaction; returns after CheckTx. Code 0 is no promise that a block will have it."""
        return self.call("broadcast_tx_sync", tx=base64.b64encode(raw).decode())

    def block(self, height: int) -> dict[str, Any] | None:
        """Block `height`; None when it is not committed yet, or no longer kept."""
        answer = self._at("block", height)
        return answer if answer is None or answer["block"] is not None else None

    def commit(self, height: int) -> dict[str, Any] | None:
        """The signed header of `height`; None as for `block`."""
        answer = self._at("commit", height)
        return answer if answer is None or answer["signed_header"]["header"] is not None else None

    def block_results(self, height: int) -> dict[str, Any] | None:
        return self._at("block_results", height)

    def _at(self, method: str, height: int) -> dict[str, Any] | None:
        try:
            return self.call(method, height=str(height))
        except RpcError as error:
            if any(phrase in error.data for phrase in _NOT_THERE):
                return None
            raise

    def validators(self, height: int) -> list[dict[str, Any]]:
        """The whole validator set that signs block `height`, in its order."""
        found: list[dict[str, Any]] = []
        while True:
            page = len(found) // _PAGE + 1
            answer = self.call("validators", height=str(height), page=str(page), per_page=str(_PAGE))
            found += answer["validators"]
            if len(found) >= int(answer["total"]) or not answer["validators"]:
                return found

    def tx(self, tx_hash: bytes) -> dict[str, Any] | None:
        """Where a transaction was committed; None when the engine's index does not have it."""
        try:
            return self.call("tx", hash=base64.b64encode(tx_hash).decode(), prove=False)
        except RpcError as error:
            if "not found" in error.data:
                return None
            raise


def tx_result(result: dict[str, Any]) -> TxResult:
    """A transaction's result as `block_results` and `tx` write it."""
    return TxResult(
        code=int(result["code"]),
        data=base64.b64decode(result.get("data") or ""),
        log=str(result.get("log", "")),
        gas_wanted=int(result.get("gas_wanted", 0)),
        gas_used=int(result.get("gas_used", 0)),
    )
