"""Errors that a user of the kit can cause or must act on.

    GchainError
    ├── ConfigurationError    a file of an environment is wrong: names file, key, what was found
    ├── ToolchainError        a program is missing, of another version, or did not build
    ├── CloudError            the cloud refused, or lacks what a stack needs
    ├── HostError             a host did not boot, answer or converge
    ├── ConsortiumError       contributions, genesis, approvals: what members must agree on
    └── SandboxError          the local cloud or its daemon: not running, dead, or busy

Only `gchain.cli.main` turns one into an exit code.
"""

from __future__ import annotations


class GchainError(Exception):
    """What went wrong, in one sentence, and `remedy`: what the reader can do about it.

    `exit_code` is the status that the CLI ends with.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class ConfigurationError(GchainError):
    exit_code = 2


class ToolchainError(GchainError):
    exit_code = 3


class CloudError(GchainError):
    exit_code = 4


class HostError(GchainError):
    exit_code = 5


class ConsortiumError(GchainError):
    exit_code = 6


class SandboxError(GchainError):
    exit_code = 7
