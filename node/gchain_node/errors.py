"""Errors of the node.

    NodeError
    ├── ConfigurationError     a configuration file or option is wrong: names file, key, what was found
    ├── KeyAccessError         a key or token is missing, locked, or not the one expected
    ├── SigningRefusedError    the signer will not sign: the journal forbids it
    ├── TransactionError       a transaction is refused; `code` is one of `gchain_node.codes.Code`
    ├── ContributionError      a member's contribution is malformed, or a signature in it does not hold
    ├── GenesisError           contributions or a genesis document that members must not start from
    ├── StoreError             the database cannot be used
    │   └── CorruptStoreError  what is on disk contradicts itself: names the table and the row
    ├── EngineError            the engine or the node behind it cannot go on
    ├── ProofError             evidence does not prove what it says
    │   ├── NotEnoughTrustError  too little known voting power signed: a header in between is needed
    │   └── ExpiredTrustError    the trusted header is older than the trusting period
    └── LedgerUnreachableError the ledger did not answer, or answered something that is no answer

Only `gchain_node.cli.main` turns one into an exit code.
"""

from __future__ import annotations

from gchain_node.codes import Code


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


class KeyAccessError(NodeError):
    exit_code = 3


class SigningRefusedError(NodeError):
    exit_code = 4


class TransactionError(NodeError):
    """A transaction is refused with `code`; the message is one sentence for the person who sent it."""

    exit_code = 5

    def __init__(self, code: Code, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class ContributionError(NodeError):
    exit_code = 6


class GenesisError(NodeError):
    exit_code = 6


class StoreError(NodeError):
    exit_code = 7


class CorruptStoreError(StoreError):
    pass


class EngineError(NodeError):
    exit_code = 8


class ProofError(NodeError):
    exit_code = 9


class NotEnoughTrustError(ProofError):
    pass


class ExpiredTrustError(ProofError):
    pass


class LedgerUnreachableError(NodeError):
    exit_code = 10
