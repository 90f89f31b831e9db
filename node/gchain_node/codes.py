"""Result codes of transactions and queries: the one table that clients switch on.

A code keeps its number for ever; a retired one is never used again. The hundreds group by who can mend it:
1xx the encoding, 2xx the signer or its key, 3xx the moment (replay, expiry, phase), 4xx the request itself,
5xx go-live, 6xx queries.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["TABLE", "Code", "CodeEntry", "markdown"]


class Code(IntEnum):
    OK = 0

    MALFORMED = 100
    NOT_CANONICAL = 101
    TOO_LARGE = 102
    TOO_DEEP = 103

    UNKNOWN_KEY = 200
    BAD_SIGNATURE = 201
    HIGH_S = 202
    ALGORITHM_NOT_ALLOWED = 203
    SIGNER_MISMATCH = 204
    MEMBER_SUSPENDED = 205
    NOT_AUTHORISED = 206
    KEY_RETIRED = 207

    WRONG_CHAIN = 300
    EXPIRED = 301
    NONCE_USED = 302
    NONCE_TOO_OLD = 303
    OUT_OF_ORDER = 304
    FORMING = 305

    UNKNOWN_MODULE = 400
    UNKNOWN_ACTION = 401
    BAD_ARGUMENTS = 402
    NOT_FOUND = 403
    ALREADY_EXISTS = 404
    CONFLICT = 405
    REFUSED_BY_RULES = 406

    ALREADY_LIVE = 500
    WRONG_SUBJECT = 501
    WRONG_TABLE_DIGEST = 502
    WRONG_MEMBERSHIP_DIGEST = 503
    WRONG_ZONE_DIGEST = 504
    WRONG_RULES_DIGEST = 505
    APPROVAL_EXPIRED = 506
    BAD_TABLE = 507
    RULE_FAILED = 508
    RULE_ERROR = 509
    RULE_INDETERMINATE = 510
    RULE_MISSING = 511
    BAD_APPROVAL = 512
    APPROVAL_MISSING = 513

    UNKNOWN_QUERY = 600
    HEIGHT_PRUNED = 601
    HEIGHT_AHEAD = 602
    BLOCK_NOT_KEPT = 603

    INTERNAL = 900


class CodeEntry(NamedTuple):
    """`retry`: whether the same intent, signed anew, can succeed without anything else being changed."""

    meaning: str
    retry: bool


TABLE: dict[Code, CodeEntry] = {
    Code.OK: CodeEntry("The transaction took effect, or the query was answered.", False),
    Code.MALFORMED: CodeEntry("The bytes are not a COSE_Sign1 transaction of this ledger.", False),
    Code.NOT_CANONICAL: CodeEntry("The CBOR is not deterministically encoded (RFC 8949, section 4.2.1).", False),
    Code.TOO_LARGE: CodeEntry("The transaction or one of its parts is larger than the ledger allows.", False),
    Code.TOO_DEEP: CodeEntry("The arguments are nested more deeply than the ledger allows.", False),
    Code.UNKNOWN_KEY: CodeEntry("No member or officer of this ledger has the key that signed.", False),
    Code.BAD_SIGNATURE: CodeEntry("The signature does not verify.", True),
    Code.HIGH_S: CodeEntry("The ECDSA signature is valid but its S is not the lower one.", True),
    Code.ALGORITHM_NOT_ALLOWED: CodeEntry("The algorithm is not ES256 or EdDSA, or not the key's.", True),
    Code.SIGNER_MISMATCH: CodeEntry("The key belongs to somebody other than the signer named.", False),
    Code.MEMBER_SUSPENDED: CodeEntry("The signer's membership is suspended.", False),
    Code.NOT_AUTHORISED: CodeEntry("The signer may not do this.", False),
    Code.KEY_RETIRED: CodeEntry("The key that signed was replaced by rotation, and its overlap is over.", True),
    Code.WRONG_CHAIN: CodeEntry("The transaction is for another ledger.", False),
    Code.EXPIRED: CodeEntry("The block's height is above the transaction's expiry height.", True),
    Code.NONCE_USED: CodeEntry("This number of the signer was used before.", True),
    Code.NONCE_TOO_OLD: CodeEntry("The number is below the window of the signer's last 1,024 numbers.", True),
    Code.OUT_OF_ORDER: CodeEntry("Strict order was asked for, and the number is not the next one.", True),
    Code.FORMING: CodeEntry("The consortium is forming: records wait until the ledger is live.", False),
    Code.UNKNOWN_MODULE: CodeEntry("There is no such module.", False),
    Code.UNKNOWN_ACTION: CodeEntry("The module has no such action.", False),
    Code.BAD_ARGUMENTS: CodeEntry("An argument is missing, unknown, or of the wrong kind.", False),
    Code.NOT_FOUND: CodeEntry("What the transaction or query names does not exist.", False),
    Code.ALREADY_EXISTS: CodeEntry("What the transaction would create exists.", False),
    Code.CONFLICT: CodeEntry("What the transaction would change is not in the state it supposes.", False),
    Code.REFUSED_BY_RULES: CodeEntry("The change would leave the ledger without the members it needs.", False),
    Code.ALREADY_LIVE: CodeEntry("The ledger is live already.", False),
    Code.WRONG_SUBJECT: CodeEntry("The go-live subject is malformed or not of this ledger.", False),
    Code.WRONG_TABLE_DIGEST: CodeEntry("The subject's table digest is not that of the table.", False),
    Code.WRONG_MEMBERSHIP_DIGEST: CodeEntry("The subject speaks of another membership.", False),
    Code.WRONG_ZONE_DIGEST: CodeEntry("The subject speaks of another zone.", False),
    Code.WRONG_RULES_DIGEST: CodeEntry("The subject speaks of another rule set.", False),
    Code.APPROVAL_EXPIRED: CodeEntry("The subject's expiry height has passed.", False),
    Code.BAD_TABLE: CodeEntry("The outcome table is malformed: order, duplicate, foreign row or value.", False),
    Code.RULE_FAILED: CodeEntry("A critical rule failed.", False),
    Code.RULE_ERROR: CodeEntry("A critical rule could not be evaluated.", False),
    Code.RULE_INDETERMINATE: CodeEntry("A critical rule's outcome is indeterminate.", False),
    Code.RULE_MISSING: CodeEntry("The table lacks a critical rule, a deciding stage, or a member.", False),
    Code.BAD_APPROVAL: CodeEntry("An approval does not verify, is foreign, or is of something else.", False),
    Code.APPROVAL_MISSING: CodeEntry("Too few members approved.", False),
    Code.UNKNOWN_QUERY: CodeEntry("There is no such query.", False),
    Code.HEIGHT_PRUNED: CodeEntry("The state of that height is no longer kept.", False),
    Code.HEIGHT_AHEAD: CodeEntry("That height is not committed yet.", True),
    Code.BLOCK_NOT_KEPT: CodeEntry("This node does not have the block: pruned, or from before a state sync.", False),
    Code.INTERNAL: CodeEntry("The node failed; its log says where.", True),
}


def markdown() -> str:
    """The table as the documentation has it; `docs/result-codes.md` is this text."""
    rows = [f"| {int(c)} | {c.name} | {e.meaning} | {'yes' if e.retry else 'no'} |" for c, e in TABLE.items()]
    head = [
        "# Result codes",
        "",
        "What a transaction or query is answered with; clients switch on the number. *Retry*: the same intent, signed",
        "anew, can succeed without anything else being changed. Made from `gchain_node.codes`; a test compares.",
        "",
        "| code | name | meaning | retry |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows]) + "\n"
