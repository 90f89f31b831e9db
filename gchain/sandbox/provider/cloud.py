"""Calls to the local cloud: clients made once, no silent retries, and errors that name service and action.

moto answers an action it lacks with an HTML page (500 for XML and JSON services, 404 for REST services). Such a page
never means "the resource is gone": only an error code of the service itself does.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from gchain.errors import CloudError

__all__ = ["Cloud", "Credentials", "Operation"]


@dataclass(frozen=True)
class Credentials:
    """Where the caller's keys come from: given outright, or a shared file and profile; else the environment decides."""

    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    profile: str | None = None
    shared_file: str | None = None


class Cloud:
    """The clients of one account at one set of endpoints; safe to share between threads."""

    def __init__(self, credentials: Credentials, endpoints: dict[str, str], region: str) -> None:
        self.region = region
        self._endpoints = endpoints
        self._credentials = credentials
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    @cached_property
    def _session(self) -> botocore.session.Session:
        session = botocore.session.Session(profile=self._credentials.profile)
        if self._credentials.shared_file:
            session.set_config_variable("credentials_file", self._credentials.shared_file)
        if self._credentials.access_key and self._credentials.secret_key:
            session.set_credentials(self._credentials.access_key, self._credentials.secret_key, self._credentials.token)
        return session

    @cached_property
    def account(self) -> str:
        """The account of the caller, twelve digits."""
        return str(self.call("sts.get_caller_identity", self.region)["Account"])

    @cached_property
    def caller(self) -> dict[str, str]:
        return dict(self.call("sts.get_caller_identity", self.region))

    def partition(self, region: str) -> str:
        """The partition that `region` belongs to, such as `aws-us-gov`."""
        return str(self._session.get_partition_for_region(region))

    def call(self, action: str, region: str, /, **parameters: Any) -> dict[str, Any]:
        """Calls `action` (`service.operation`, as in boto3); parameters that are `None` are left out.

        Raises:
            CloudError: the cloud refused, does not implement the action, or did not answer.
        """
        service, operation = action.split(".")
        given = {name: value for name, value in parameters.items() if value is not None}
        try:
            return dict(getattr(self._client(service, region), operation)(**given))
        except ClientError as error:
            raise _refused(action, region, error) from error
        except ResponseParserError as error:
            raise UnimplementedError(action, region) from error
        except BotoCoreError as error:
            raise CloudError(f"{action} in {region}: {error}") from error

    def _client(self, service: str, region: str) -> Any:
        with self._lock:
            client = self._clients.get((service, region))
            if client is None:
                client = self._clients[service, region] = self._session.create_client(
                    service, region_name=region, endpoint_url=self._endpoint(service), config=_CONFIG
                )
                client.meta.events.register("before-sign.s3-control", _keep_host)
            return client

    def _endpoint(self, service: str) -> str:
        try:
            return self._endpoints.get(service) or self._endpoints["*"]
        except KeyError:
            raise CloudError(
                f"no endpoint for {service}: this provider speaks to the local cloud only",
                remedy=f"name {service} in the provider's endpoints, or set AWS_ENDPOINT_URL",
            ) from None


_CONFIG = Config(
    retries={"total_max_attempts": 1},  # an HTML 500 is "not implemented": retrying it only hides the reason
    s3={"addressing_style": "path"},
    inject_host_prefix=False,  # no operation's prefix goes in front of an address
    max_pool_connections=32,
    connect_timeout=5,
    read_timeout=60,
    parameter_validation=True,
)


def _keep_host(request: AWSRequest, **_: Any) -> None:
    """The endpoint rules of S3 Control put the account in front of the host even where that is an address."""
    request.url = str(request.url).replace(f"://{request.headers['x-amz-account-id']}.", "://", 1)


class RefusedError(CloudError):
    """The cloud answered with an error `code` of its own."""

    def __init__(self, action: str, region: str, code: str, message: str) -> None:
        super().__init__(f"{action} in {region}: {code}: {message}")
        self.code = code


class UnimplementedError(CloudError):
    """The local cloud has no such action."""

    def __init__(self, action: str, region: str) -> None:
        super().__init__(
            f"{action} in {region}: the local cloud does not implement this action",
            remedy="add it as an extension under gchain/sandbox/cloud/",
        )


def _refused(action: str, region: str, error: ClientError) -> CloudError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    message = str(error.response.get("Error", {}).get("Message", ""))
    if code.isdigit() and ("html" in headers.get("content-type", "") or "<html" in message.lower()):
        return UnimplementedError(action, region)
    return RefusedError(action, region, code, message)


@dataclass(frozen=True)
class Operation:
    """One operation on one resource: the cloud, and the region that the resource lives in."""

    cloud: Cloud
    region: str
    default_tags: Mapping[str, str] = field(default_factory=dict)

    def elsewhere(self, region: str) -> Operation:
        """The same operation in another region."""
        return replace(self, region=region)

    @property
    def account(self) -> str:
        return self.cloud.account

    @property
    def partition(self) -> str:
        return self.cloud.partition(self.region)

    def call(self, action: str, /, **parameters: Any) -> dict[str, Any]:
        return self.cloud.call(action, self.region, **parameters)

    def find(self, action: str, gone: str | Collection[str], /, **parameters: Any) -> dict[str, Any] | None:
        """Like `call`, but `None` when the service answers with (one of) the error codes `gone`."""
        codes = (gone,) if isinstance(gone, str) else gone
        try:
            return self.call(action, **parameters)
        except RefusedError as error:
            if error.code in codes:
                return None
            raise

    def arn(self, service: str, resource: str, *, account: str | None = None, region: str | None = None) -> str:
        """An ARN built from the region's partition: moto answers `arn:aws:` in every partition for some types."""
        region = self.region if region is None else region
        return f"arn:{self.partition}:{service}:{region}:{self.account if account is None else account}:{resource}"
