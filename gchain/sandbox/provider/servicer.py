"""The provider protocol over gRPC (pulumi/proto/provider.proto), handed on to `Provider`.

Errors leave as a status with one readable sentence. A resource that exists but is not set up fully leaves as
`ErrorResourceInitFailed`, so that the engine records it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from gchain.errors import GchainError
from gchain.sandbox.provider import configuration
from gchain.sandbox.provider.differing import Difference, Kind
from gchain.sandbox.provider.functions import invoke
from gchain.sandbox.provider.provider import IncompleteError, Provider
from gchain.sandbox.provider.wire import decode, encode

__all__ = ["VERSION", "Servicer"]

VERSION = "7.51.1"
"""The version of pulumi-aws whose types and property names this provider speaks."""

Context: TypeAlias = grpc.ServicerContext
_PropertyDiff = provider_pb2.PropertyDiff
_KINDS = {
    Kind.ADD: (_PropertyDiff.ADD, _PropertyDiff.ADD_REPLACE),
    Kind.UPDATE: (_PropertyDiff.UPDATE, _PropertyDiff.UPDATE_REPLACE),
    Kind.DELETE: (_PropertyDiff.DELETE, _PropertyDiff.DELETE_REPLACE),
}


def _token(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _answer(context: Context, work: Callable[[], Any]) -> Any:
    """Runs `work`; an error of ours becomes the status of the call."""
    try:
        return work()
    except IncompleteError as error:
        _abort_incomplete(context, error)
    except GchainError as error:
        remedy = f" ({error.remedy})" if error.remedy else ""
        context.abort(grpc.StatusCode.UNKNOWN, f"{error}{remedy}")
    except Exception:
        if context.code() is None:  # not raised by abort: a fault of this program, whose place must be shown
            traceback.print_exc()
        raise


def _abort_incomplete(context: Context, error: IncompleteError) -> NoReturn:
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=error.identity, properties=encode(error.properties), inputs=encode(error.inputs), reasons=[str(error)]
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, str(error))
    raise AssertionError("abort raises")


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """One provider process serves one provider resource of one stack."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def GetPluginInfo(self, request: Any, context: Context) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def Cancel(self, request: Any, context: Context) -> empty_pb2.Empty:
        return empty_pb2.Empty()

    def GetSchema(self, request: Any, context: Context) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema='{"name":"aws","version":"' + VERSION + '"}')

    def CheckConfig(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        given = decode(request.news)
        return _checked(given, configuration.check(given))

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        before, now = decode(request.old_inputs) or decode(request.olds), decode(request.news)
        changed = {name: Kind.UPDATE for name in before.keys() | now.keys() if before.get(name) != now.get(name)}
        replaces = frozenset({"region"} & changed.keys())  # resources cannot follow their provider to another region
        return _difference(Difference(changed, replaces, False))

    def Configure(self, request: provider_pb2.ConfigureRequest, context: Context) -> provider_pb2.ConfigureResponse:
        _answer(context, lambda: self._provider.configure(decode(request.args)))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: provider_pb2.CheckRequest, context: Context) -> provider_pb2.CheckResponse:
        def work() -> provider_pb2.CheckResponse:
            token, name = _token(request.urn), _name(request.urn)
            return _checked(
                *self._provider.check(token, name, decode(request.news), decode(request.olds), request.randomSeed)
            )

        response: provider_pb2.CheckResponse = _answer(context, work)
        return response

    def Diff(self, request: provider_pb2.DiffRequest, context: Context) -> provider_pb2.DiffResponse:
        def work() -> provider_pb2.DiffResponse:
            state = decode(request.olds)
            return _difference(
                self._provider.diff(_token(request.urn), decode(request.old_inputs), state, decode(request.news))
            )

        response: provider_pb2.DiffResponse = _answer(context, work)
        return response

    def Create(self, request: provider_pb2.CreateRequest, context: Context) -> provider_pb2.CreateResponse:
        def work() -> provider_pb2.CreateResponse:
            token, new = _token(request.urn), decode(request.properties)
            if request.preview:
                return provider_pb2.CreateResponse(properties=encode(self._provider.preview(token, {}, new)))
            identity, outputs = self._provider.create(token, new)
            return provider_pb2.CreateResponse(id=identity, properties=encode(outputs))

        response: provider_pb2.CreateResponse = _answer(context, work)
        return response

    def Read(self, request: provider_pb2.ReadRequest, context: Context) -> provider_pb2.ReadResponse:
        def work() -> provider_pb2.ReadResponse:
            found = self._provider.read(
                _token(request.urn), request.id, decode(request.properties), decode(request.inputs)
            )
            if found is None:
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=found.identity, properties=encode(found.outputs), inputs=encode(found.inputs)
            )

        response: provider_pb2.ReadResponse = _answer(context, work)
        return response

    def Update(self, request: provider_pb2.UpdateRequest, context: Context) -> provider_pb2.UpdateResponse:
        def work() -> provider_pb2.UpdateResponse:
            token, state, now = _token(request.urn), decode(request.olds), decode(request.news)
            if request.preview:
                outputs = self._provider.preview(token, state, now)
            else:
                outputs = self._provider.update(token, request.id, decode(request.old_inputs), state, now)
            return provider_pb2.UpdateResponse(properties=encode(outputs))

        response: provider_pb2.UpdateResponse = _answer(context, work)
        return response

    def Delete(self, request: provider_pb2.DeleteRequest, context: Context) -> empty_pb2.Empty:
        _answer(context, lambda: self._provider.delete(_token(request.urn), request.id, decode(request.properties)))
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: Context) -> provider_pb2.InvokeResponse:
        result = _answer(context, lambda: invoke(self._provider.configured, request.tok, decode(request.args)))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(encode(result))  # `return` is a keyword
        return response


def _checked(inputs: dict[str, Any], failures: dict[str, str]) -> provider_pb2.CheckResponse:
    return provider_pb2.CheckResponse(
        inputs=encode(inputs),
        failures=[provider_pb2.CheckFailure(property=path, reason=reason) for path, reason in failures.items()],
    )


def _difference(found: Difference) -> provider_pb2.DiffResponse:
    detailed = {
        name: _PropertyDiff(kind=_KINDS[kind][name in found.replaces], inputDiff=True)
        for name, kind in found.properties.items()
        if name != "tagsAll"
    }
    some = provider_pb2.DiffResponse.DIFF_SOME if found.properties else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=some,
        diffs=sorted(found.properties),
        replaces=sorted(found.replaces),
        deleteBeforeReplace=bool(found.replaces) and found.delete_before_replace,
        detailedDiff=detailed,
        hasDetailedDiff=bool(detailed),
    )
