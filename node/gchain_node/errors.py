"""Errors of the node that a person or a calling program can cause or must act on.

    NodeError
    ├── ConfigurationError    a configuration file or argument is wrong: names file, key, what was found
    ├── GenesisError          genesis or a contribution is malformed, or does not match its digest or signatures
    ├── TransactionError      a transaction cannot be built, or was refused (`code` of codes.py)
    ├── VerificationError     a proof, receipt, header, commit or signature does not verify
    ├── StateError            the node's store is damaged, of another chain, or cannot be written
    ├── KeyAccessError        a key or its token is missing, ambiguous, or refuses to work
    ├── SigningRefused        the signer refuses: it would be a double signature
    ├── EngineError           the consensus engine is missing, of another version, or broke the protocol
    └── ApiError              a node's HTTP API did not answer, or refused

Only `gchain_node.cli.main` turns one into an exit code.
"""

from __future__ import annotations


class NodeError(Exception):
    """What went wrong, in one sentence, and `remedy`: what the reader can do about it.

    `exit_code` is the status that the CLI ends with.
    """

    exit_code = 1

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class ConfigurationError(NodeError):
    exit_code = 2


class GenesisError(NodeError):
    exit_code = 3


class TransactionError(NodeError):
    """`code`: the result code of `gchain_node.codes`, where the ledger gave one."""

    exit_code = 4

    def __init__(self, message: str, *, code: int | None = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class VerificationError(NodeError):
    exit_code = 5


class StateError(NodeError):
    exit_code = 6


class KeyAccessError(NodeError):
    exit_code = 7


class SigningRefused(NodeError):  # noqa: N818 -- the field's word: a signer refuses
    exit_code = 8


class EngineError(NodeError):
    exit_code = 9


class ApiError(NodeError):
    """`status`: the HTTP status, where there was an answer."""

    exit_code = 10

    def __init__(self, message: str, *, status: int | None = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
