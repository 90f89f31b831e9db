"""One member's account as the collectors reach it: its own credentials, one client a service and region."""

from __future__ import annotations

import configparser
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from policies.errors import SourceError
from policies.graph import Resource
from policies.sources.aws.answer import Answer
from policies.sources.aws.paging import LEFT_OUT, pages_of, refuse_more
from policies.sources.aws.wire import refuse_broken_body

__all__ = ["Account", "error_code", "open_session", "tags_of"]

_SETTINGS = Config(
    retries={"mode": "adaptive", "max_attempts": 5},  # adaptive: slows down when the API throttles
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=8,
    s3={"addressing_style": "path"},
)


class Account:
    """Clients and pages of one account. May be used by several threads."""

    def __init__(self, session: boto3.Session, endpoint: str | None = None) -> None:
        self._session = session
        self._endpoint = endpoint
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    @property
    def home_region(self) -> str:
        return str(self._session.region_name)

    @cached_property
    def number(self) -> str:
        """The account that the credentials belong to."""
        return self.ask("sts", self.home_region, "get_caller_identity").text("Account")

    def partition_of(self, region: str) -> str:
        return str(self._session.get_partition_for_region(region))

    def offers(self, service: str, region: str) -> bool:
        """Whether the cloud's list of endpoints has the service in a region."""
        return region in self._session.get_available_regions(service, partition_name=self.partition_of(region))

    def client(self, service: str, region: str) -> Any:
        # Making a client is slow and not thread-safe; using one is safe.
        with self._lock:
            if (service, region) not in self._clients:
                made = self._session.client(  # type: ignore[call-overload]
                    service, region_name=region, endpoint_url=self._endpoint, config=_SETTINGS
                )
                made.meta.events.register("before-parse", refuse_broken_body)
                if self._endpoint:
                    made.meta.events.register("before-sign.s3-control", self._without_account_host)
                self._clients[service, region] = made
            return self._clients[service, region]

    def _without_account_host(self, request: Any, **_: Any) -> None:
        # S3 Control puts the account in front of the host; an endpoint of one's own has no such names.
        request.url = request.url.replace(f"://{self.number}.", "://", 1)

    def ask(self, service: str, region: str, operation: str, **arguments: Any) -> Answer:
        """An answer that is read as one.

        Raises:
            SourceError: it says that more follows, or is none.
        """
        client = self.client(service, region)
        name = client.meta.method_to_api_mapping[operation]
        answer = Answer(getattr(client, operation)(**arguments), name)
        refuse_more(answer, name)
        return answer

    def pages(self, service: str, region: str, operation: str, key: str, **arguments: Any) -> Iterator[Answer]:
        """Every structure in the list `key` of every page of an operation.

        Raises:
            SourceError: a page has no such list, and the operation is none that leaves out an empty one.
        """
        for page in self.answers(service, region, operation, **arguments):
            yield from page.each(_path(service, operation, key))

    def names(self, service: str, region: str, operation: str, key: str, **arguments: Any) -> Iterator[str]:
        """Every text in the list `key` of every page of an operation; raises as `pages` does."""
        for page in self.answers(service, region, operation, **arguments):
            yield from page.texts(_path(service, operation, key))

    def answers(self, service: str, region: str, operation: str, **arguments: Any) -> Iterator[Answer]:
        """Every page of an operation, for one whose list is not all that counts."""
        return pages_of(self.client(service, region), operation, arguments)

    def resource(self, kind: str, identifier: str, region: str | None, properties: dict[str, Any]) -> Resource:
        """A resource of the graph; its id is unique in the account and stable between sweeps."""
        place = f"{region}/" if region else ""
        stated = {"region": region, **properties} if region else properties
        name = properties.get("name") or properties.get("bucket") or identifier
        return Resource(
            f"{self.number}/{place}{kind.rpartition(':')[2]}/{identifier}",
            kind,
            str(name),
            stated,
            physical_id=identifier,
        )


def _path(service: str, operation: str, key: str) -> str:
    return f"{key}?" if (service, operation, key) in LEFT_OUT else key


def open_session(credentials: Path, region: str) -> boto3.Session:
    """A session with the keys of one credentials file and nothing of the process's own environment.

    Raises:
        SourceError: the file is missing or has no keys.
    """
    parser = configparser.ConfigParser()
    try:
        parser.read_string(credentials.read_text())
        profile = parser["default"]
        names = ("access_key_id", "secret_access_key", "session_token")
        key, secret, token = (profile.get(f"aws_{name}") for name in names)
        if not key or not secret:
            raise KeyError("aws_access_key_id")
    except (OSError, KeyError, configparser.Error) as error:
        raise SourceError(f"{credentials}: no usable cloud credentials ({type(error).__name__})") from None
    return boto3.Session(key, secret, token, region_name=region)


def tags_of(item: Answer, key: str = "Tags?") -> dict[str, str]:
    """`[{Key, Value}]` as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in item.each(key)}


def error_code(error: Exception) -> str:
    """A short name for why a call failed, without request details."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code") or type(error).__name__)
    if isinstance(error, SourceError):
        return str(error)
    return type(error).__name__ if isinstance(error, BotoCoreError) else f"unexpected {type(error).__name__}"
