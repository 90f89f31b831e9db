"""Ansible callback: what happens, as one JSON object a line, for the program that started the playbook."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: gchain_events
type: notification
short_description: Task results as JSON lines in the file that C(GCHAIN_EVENTS) names; nothing without it
description:
  - Results of tasks with C(no_log) carry no message.
"""


def _message(content: dict[str, Any]) -> str:
    """What a person can act on: a command's own words rather than Ansible's "non-zero return code"."""
    said = str(content.get("msg") or "")
    own = str(content.get("stderr") or content.get("stdout") or "").strip()
    return own if own and said in ("", "non-zero return code") else said


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible carries no types
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "gchain_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        path = os.environ.get("GCHAIN_EVENTS")
        self._out = open(path, "a", buffering=1) if path else None  # noqa: SIM115, PTH123 (open for the playbook's life)
        self._begun = 0.0

    def _write(self, **event: Any) -> None:
        if self._out:
            self._out.write(json.dumps(event) + "\n")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._begun = time.monotonic()
        self._write(event="task", task=task.get_name())

    def _result(self, status: str, result: Any) -> None:
        content = result.result
        hidden = result.task.no_log or content.get("_ansible_no_log")
        message = "" if hidden else _message(content)
        self._write(
            event="result",
            status=status,
            task=result.task.get_name(),
            host=result.host.get_name(),
            changed=bool(content.get("changed")),
            message=message if status in ("failed", "unreachable") else "",
            seconds=round(time.monotonic() - self._begun, 2),
        )

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result("unreachable", result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write(event="stats", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})
