"""Errors of the policies that a user can cause.

NodeError
└── PolicyError
    ├── SourceError     a stage's input is missing, truncated, stale or of something else
    ├── WaiverError     a waiver is expired, over-broad, unsigned or names an unknown rule
    └── ReportError     a report is not what it says: digest, signature, consortium
"""

from __future__ import annotations

from gchain_node.errors import NodeError

__all__ = ["PolicyError", "ReportError", "SourceError", "WaiverError"]


class PolicyError(NodeError):
    exit_code = 8


class SourceError(PolicyError):
    pass


class WaiverError(PolicyError):
    pass


class ReportError(PolicyError):
    pass
