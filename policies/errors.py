"""Errors of the policies that a user can cause.

GchainError
└── PolicyError
    ├── SourceError     a stage's input is missing, truncated, stale or of something else
    ├── WaiverError     a waiver is expired, over-broad, unsigned or names an unknown rule
    └── ReportError     a report is not what it says: digest, signature, consortium
"""

from __future__ import annotations

from gchain.errors import GchainError

__all__ = ["PolicyError", "ReportError", "SourceError", "WaiverError"]


class PolicyError(GchainError):
    exit_code = 8


class SourceError(PolicyError):
    pass


class WaiverError(PolicyError):
    pass


class ReportError(PolicyError):
    pass
