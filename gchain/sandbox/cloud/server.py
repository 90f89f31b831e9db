"""The local cloud's application: moto behind the checks of a cloud company, in front of it the count of changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from gchain.sandbox.cloud import (
    always_sent,
    block_public_access,
    bucket_policies,
    cloudhsm,
    console,
    dhcp_options,
    dns_firewall,
    ebs_encryption,
    empty_services,
    endpoint_routes,
    endpoints,
    instance_interfaces,
    network_acls,
    network_interfaces,
    security_group_rules,
    snapshot_block,
    table_exports,
)
from gchain.sandbox.cloud.changes import ChangeCounter
from gchain.sandbox.cloud.credentials import CredentialCheck
from gchain.sandbox.cloud.empty_services import EmptyServices
from gchain.sandbox.cloud.global_accelerator import GlobalAccelerator

__all__ = ["application", "serve"]

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

EXTENSIONS = (
    always_sent,
    block_public_access,
    bucket_policies,
    cloudhsm,
    dhcp_options,
    dns_firewall,
    ebs_encryption,
    empty_services,
    endpoint_routes,
    endpoints,
    instance_interfaces,
    network_acls,
    network_interfaces,
    security_group_rules,
    snapshot_block,
    table_exports,
)


def application(company_token: str | None = None, consoles: Path | None = None) -> Application:
    """The WSGI application. Without a company token nobody may act in an account without that account's keys."""
    for extension in EXTENSIONS:
        extension.install()
    console.install(consoles)
    moto = DomainDispatcherApplication(create_backend_app)
    return ChangeCounter(_without_back_doors(CredentialCheck(EmptyServices(GlobalAccelerator(moto)), company_token)))


def _without_back_doors(app: Application) -> Application:
    """moto's own control API could empty every account: a cloud has no such call."""

    def guarded(environ: Environ, start_response: Any) -> Iterable[bytes]:
        if environ.get("PATH_INFO", "").startswith("/moto-api"):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"the local cloud has no control interface\n"]
        return app(environ, start_response)

    return guarded


class _QuietHandler(MotoRequestHandler):
    """A line a request would bury what matters in the log."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or the body waits until the client's system acknowledges the head

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if str(code).startswith("5"):
            super().log_request(code, size)


def serve(port: int, company_token: str | None, consoles: Path | None) -> None:
    """Serve on 127.0.0.1 until the process is told to stop."""
    server = make_server(
        "127.0.0.1", port, application(company_token, consoles), threaded=True, request_handler=_QuietHandler
    )
    server.serve_forever()
