"""DynamoDB ListExports without a table, as the API allows: moto demands one."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.dynamodb.responses import DynamoHandler

from gchain.sandbox.cloud.overriding import override

__all__ = ["install"]


def install() -> None:
    """Let the list cover every table where the call names none."""
    override(DynamoHandler, "list_exports", lambda _: _list_exports)


def _list_exports(self: Any) -> ActionResult:
    wanted = self.body.get("TableArn")
    found = [
        {"ExportArn": export.arn, "ExportStatus": export.status, "ExportType": export.export_type}
        for export in self.dynamodb_backend.table_exports.values()
        if wanted in (None, export.table.table_arn)
    ]
    return ActionResult({"ExportSummaries": found})
