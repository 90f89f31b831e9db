"""The Analyzer service of the Pulumi engine (pulumi/sdk, proto/pulumi/analyzer.proto) over one `PackSession`.

Spoken directly, without a language host: the engine starts `policies/pack` and reads the port from its first line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import grpc
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2 as pb
from pulumi.runtime.proto import analyzer_pb2_grpc, plugin_pb2

from gchain import __version__
from gchain.errors import GchainError
from gchain_node.errors import NodeError
from policies.graph import Resource
from policies.outcomes import Severity, Stage
from policies.pack import Answer, PackSession
from policies.rules import RULES
from policies.sources import plan

__all__ = ["PACK_NAME", "Analyzer"]

PACK_NAME = "gchain-zone"
_SEVERITY = {
    Severity.CRITICAL: pb.POLICY_SEVERITY_CRITICAL,
    Severity.HIGH: pb.POLICY_SEVERITY_HIGH,
    Severity.MEDIUM: pb.POLICY_SEVERITY_MEDIUM,
    Severity.LOW: pb.POLICY_SEVERITY_LOW,
}

SessionMaker = Callable[[str, dict[str, str], bool], PackSession]
"""Makes the session from stack name, stack configuration and whether this is a preview; raises GchainError."""


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """Answers the engine; refuses to judge before the stack is configured."""

    def __init__(self, make_session: SessionMaker) -> None:
        self._make_session = make_session
        self._session: PackSession | None = None

    def Handshake(self, request: Any, context: grpc.ServicerContext) -> Any:
        return pb.AnalyzerHandshakeResponse()

    def ConfigureStack(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            self._session = self._make_session(request.stack, dict(request.config), request.dry_run)
        except (GchainError, NodeError) as error:
            remedy = f" ({error.remedy})" if error.remedy else ""
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"zone policy: {error}{remedy}")
        return pb.AnalyzerStackConfigureResponse()

    def Configure(self, request: Any, context: grpc.ServicerContext) -> Any:
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        return plugin_pb2.PluginInfo(version=__version__)

    def GetAnalyzerInfo(self, request: Any, context: grpc.ServicerContext) -> Any:
        claimed = [rule for rule in RULES.values() if Stage.PLAN in rule.entry.stages]
        policies = [
            pb.PolicyInfo(
                name=rule.id,
                displayName=rule.entry.title,
                description=rule.entry.title,
                enforcementLevel=_level(mandatory=rule.severity is Severity.CRITICAL),
                severity=_SEVERITY[rule.severity],
                remediation_steps=rule.remedy,
            )
            for rule in claimed
        ]
        return pb.AnalyzerInfo(name=PACK_NAME, displayName="G-Chain zone", version=__version__, policies=policies)

    def Analyze(self, request: Any, context: grpc.ServicerContext) -> Any:
        return _response(self._configured(context).analyze(_resource(request)))

    def AnalyzeStack(self, request: Any, context: grpc.ServicerContext) -> Any:
        return _response(self._configured(context).analyze_stack(map(_resource, request.resources)))

    def Remediate(self, request: Any, context: grpc.ServicerContext) -> Any:
        return pb.RemediateResponse()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Any:
        return empty_pb2.Empty()

    def _configured(self, context: grpc.ServicerContext) -> PackSession:
        if self._session is None:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "zone policy: asked to judge before ConfigureStack")
            raise AssertionError  # abort raises; this tells the type checker
        return self._session


def _resource(message: Any) -> Resource:
    """An AnalyzeRequest or AnalyzerResource as a resource of the graph."""
    provider = None
    if message.HasField("provider") and message.provider.urn:
        given = message.provider
        provider = plan.resource(given.urn, given.type, given.name, to_plain(given.properties), None)
    protect = message.options.protect if message.HasField("options") else None
    return plan.resource(
        message.urn, message.type, message.name, to_plain(message.properties), provider, protect=protect
    )


def to_plain(message: struct_pb2.Struct) -> dict[str, Any]:
    """A protobuf struct as plain values; `MessageToDict` is ten times slower."""
    return {key: _plain(value) for key, value in message.fields.items()}


def _plain(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return to_plain(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def _level(*, mandatory: bool) -> Any:
    return pb.MANDATORY if mandatory else pb.ADVISORY


def _response(answers: Iterable[Answer]) -> Any:
    return pb.AnalyzeResponse(diagnostics=[_diagnostic(answer) for answer in answers])


def _diagnostic(answer: Answer) -> Any:
    rule = RULES[answer.rule]
    return pb.AnalyzeDiagnostic(
        policyName=rule.id,
        policyPackName=PACK_NAME,
        policyPackVersion=__version__,
        description=rule.entry.title,
        message=answer.message,
        enforcementLevel=_level(mandatory=answer.mandatory),
        urn=answer.urn,
        severity=_SEVERITY[rule.severity],
    )
