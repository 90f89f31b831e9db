"""Errors of the node that a person or a calling program can cause or must act on.

    NodeError
    ├── ConfigurationError      a configuration file or argument is wrong: names file, key, what was found
    ├── GenesisError            genesis or a contribution is malformed, or members must not start from it
    ├── TransactionError        a transaction is refused; `code` is one of `gchain_node.codes.Code`
    ├── VerificationError       a proof, receipt, header, commit or signature does not verify
    │   ├── NotYetProvable        the block that carries the proof is not committed yet
    │   ├── NotEnoughTrustError   too little known voting power signed: a header in between is needed
    │   └── ExpiredTrustError     the trusted header is older than the trusting period
    ├── StateError              the node's store is of another chain, or cannot be read or written
    │   └── CorruptStateError     what is on disk contradicts itself: names the table and the row
    ├── KeyAccessError          a key or its token is missing, ambiguous, or refuses to work
    │   └── KeyUnavailable        the token is away for now: trying again may help
    ├── SigningRefused          the signer refuses: it would be a double signature
    ├── EngineError             the consensus engine is missing, of another version, or broke the protocol
    │   └── EngineUnreachable     its RPC does not answer for now: trying again may help
    └── ApiError                a node's HTTP API did not answer, or refused; by what can be done about it:
        ├── NotFoundOnLedger      nothing of that name, height or hash
        ├── ReadForbidden         not for this client
        ├── RequestRefused        the same request will never be taken
        ├── RateLimited           this client asks too much
        ├── NotReady              not now, perhaps later or at another node
        └── NotCommitted          no block had the transaction in time

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


class GenesisError(NodeError):
    exit_code = 3


class TransactionError(NodeError):
    """A transaction is refused with `code`; the message is one sentence for the person who sent it."""

    exit_code = 4

    def __init__(self, code: Code, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class VerificationError(NodeError):
    exit_code = 5


class NotYetProvable(VerificationError):  # noqa: N818 -- a matter of waiting
    pass


class NotEnoughTrustError(VerificationError):
    pass


class ExpiredTrustError(VerificationError):
    pass


class StateError(NodeError):
    exit_code = 6


class CorruptStateError(StateError):
    pass


class KeyAccessError(NodeError):
    exit_code = 7


class KeyUnavailable(KeyAccessError):  # noqa: N818 -- the field's word
    exit_code = 75  # EX_TEMPFAIL of sysexits.h: the units start again after it, and never after a 7


class SigningRefused(NodeError):  # noqa: N818 -- the field's word: a signer refuses
    exit_code = 8


class EngineError(NodeError):
    exit_code = 9


class EngineUnreachable(EngineError):  # noqa: N818 -- the field's word
    pass


class ApiError(NodeError):
    """`status`: the HTTP status, where there was an answer."""

    exit_code = 10

    def __init__(self, message: str, *, status: int | None = None, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status

    @classmethod
    def of(cls, status: int, message: str, *, remedy: str | None = None) -> ApiError:
        """The error of an answer with this status."""
        kind = _KINDS.get(status, cls)
        return kind(message, status=status, remedy=remedy)


class NotFoundOnLedger(ApiError):  # noqa: N818 -- a state of affairs
    """404: the node knows nothing of that name, height or hash."""


class ReadForbidden(ApiError):  # noqa: N818
    """401 or 403: the read, or the submission, is not for this client; it may need a member's certificate."""


class RequestRefused(ApiError):  # noqa: N818
    """400, 413, 415 or 422: the same request will never be taken."""


class RateLimited(ApiError):  # noqa: N818
    """429: this client asks too much; the answer said after how many seconds to come back."""


class NotReady(ApiError):  # noqa: N818
    """409, 502 or 503: not now, perhaps later or at another node."""


class NotCommitted(ApiError):  # noqa: N818
    """504: no block had the transaction in time; it may still come."""


_KINDS: dict[int, type[ApiError]] = {
    400: RequestRefused,
    401: ReadForbidden,
    403: ReadForbidden,
    404: NotFoundOnLedger,
    409: NotReady,
    413: RequestRefused,
    415: RequestRefused,
    422: RequestRefused,
    429: RateLimited,
    502: NotReady,
    503: NotReady,
    504: NotCommitted,
}
