"""Every page of an operation, and the refusal of a list that says it goes on but not where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.errors import SourceError
from policies.sources.aws.answer import Answer

__all__ = ["LEFT_OUT", "pages_of", "refuse_more"]

LEFT_OUT: Mapping[tuple[str, str, str], str] = {
    ("sqs", "list_queues", "QueueUrls"): "no queue in the region: boto3 issues 1813 and 2811, AWS SDK for Java v2 #210",
    ("s3", "list_bucket_inventory_configurations", "InventoryConfigurationList"): "a flattened list of XML",
    ("s3control", "list_storage_lens_configurations", "StorageLensConfigurationList"): "a flattened list of XML",
}
"""Service, operation and list that is left out of an answer when it is empty, and how that is known.

A flattened list of XML (the service's model says which is one) is repeated elements without one around them: none of
them is what no list at all looks like. Where any other list is missing, what it would have held is not known.
CloudFront leaves out its `Items` too (boto3 issue 3795); its `Quantity` says then that there are none.
"""

_TOKENS = {
    "NextToken": "NextToken",
    "nextToken": "nextToken",
    "NextContinuationToken": "ContinuationToken",
    "LastEvaluatedGlobalTableName": "ExclusiveStartGlobalTableName",
}
"""Where the SDK knows no pages: the member that says how to ask on, and the argument it becomes."""
_CUT = ("IsTruncated", "Truncated", "isTruncated")


def pages_of(client: Any, operation: str, arguments: Mapping[str, Any]) -> Iterator[Answer]:
    """The pages of an operation, in order.

    Raises:
        SourceError: a page says that more follows and not how to ask for it, or says how and that nothing follows.
    """
    name = str(client.meta.method_to_api_mapping[operation])
    if not client.can_paginate(operation):
        yield from _followed(client, name, operation, arguments)
        return
    paginator = client.get_paginator(operation)
    for page in paginator.paginate(**arguments):
        answer = Answer(page, name)
        _refuse_cut(answer, name, paginator._pagination_cfg)
        yield answer


def _refuse_cut(page: Answer, name: str, rule: Mapping[str, Any]) -> None:
    if "more_results" not in rule:
        return
    markers = rule["output_token"] if isinstance(rule["output_token"], list) else [rule["output_token"]]
    more = page.flag(f"{rule['more_results']}?")
    if more != any(page[f"{each}?"] for each in markers):
        raise SourceError(f"{name}: the list is cut off: {rule['more_results']} is {more}, {' and '.join(markers)} not")


def _followed(client: Any, name: str, operation: str, arguments: Mapping[str, Any]) -> Iterator[Answer]:
    token: dict[str, Any] = {}
    while True:
        page = getattr(client, operation)(**arguments, **token)
        following = {asked: page[given] for given, asked in _TOKENS.items() if page.get(given)}
        if following and following == token:
            raise SourceError(f"{name}: the list does not end: the same page is given again")
        if not following and any(page.get(flag) for flag in _CUT):
            raise SourceError(f"{name}: the list is cut off: it says that more follows and not where")
        yield Answer(page, name)
        if not (token := following):
            return


def refuse_more(answer: Answer, name: str) -> None:
    """For an answer that is read as one.

    Raises:
        SourceError: it says that more follows.
    """
    if any(answer[f"{each}?"] for each in (*_TOKENS, *_CUT)):
        raise SourceError(f"{name}: more follows than the one answer that is read")
