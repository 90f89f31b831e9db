"""What the engine asks a provider for one resource, over the same gRPC calls and without an engine process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from gchain.sandbox.provider.wire import decode, encode

Properties = dict[str, Any]


@dataclass
class Resource:
    """One resource as the engine's state holds it."""

    urn: str
    id: str
    inputs: Properties
    outputs: Properties


@dataclass
class Plan:
    """The answer to Diff: the properties that change, and those that force a replacement."""

    changes: list[str]
    replaces: list[str]
    delete_first: bool


@dataclass
class CheckRefusedError(Exception):
    failures: dict[str, str] = field(default_factory=dict)


class Engine:
    def __init__(self, stub: ResourceProviderStub) -> None:
        self.stub = stub

    def configure(self, arguments: Properties) -> None:
        self.stub.Configure(provider_pb2.ConfigureRequest(args=encode(arguments), acceptSecrets=True))

    def check(self, urn: str, inputs: Properties, before: Properties | None = None) -> Properties:
        request = provider_pb2.CheckRequest(
            urn=urn, olds=encode(before or {}), news=encode(inputs), randomSeed=urn.encode()
        )
        answer = self.stub.Check(request)
        if answer.failures:
            raise CheckRefusedError({failure.property: failure.reason for failure in answer.failures})
        return decode(answer.inputs)

    def create(self, token: str, name: str, inputs: Properties) -> Resource:
        urn = f"urn:pulumi:test::gchain::{token}::{name}"
        checked = self.check(urn, inputs)
        answer = self.stub.Create(provider_pb2.CreateRequest(urn=urn, properties=encode(checked)))
        return Resource(urn, answer.id, checked, decode(answer.properties))

    def plan(self, resource: Resource, inputs: Properties) -> Plan:
        checked = self.check(resource.urn, inputs, resource.inputs)
        answer = self.stub.Diff(
            provider_pb2.DiffRequest(
                urn=resource.urn,
                id=resource.id,
                olds=encode(resource.outputs),
                old_inputs=encode(resource.inputs),
                news=encode(checked),
            )
        )
        assert (answer.changes == provider_pb2.DiffResponse.DIFF_SOME) == bool(answer.diffs)
        return Plan(list(answer.diffs), list(answer.replaces), answer.deleteBeforeReplace)

    def update(self, resource: Resource, inputs: Properties) -> None:
        checked = self.check(resource.urn, inputs, resource.inputs)
        answer = self.stub.Update(
            provider_pb2.UpdateRequest(
                urn=resource.urn,
                id=resource.id,
                olds=encode(resource.outputs),
                old_inputs=encode(resource.inputs),
                news=encode(checked),
            )
        )
        resource.inputs, resource.outputs = checked, decode(answer.properties)

    def refresh(self, resource: Resource) -> bool:
        """Reads the resource into the state; false when it is gone."""
        answer = self.stub.Read(
            provider_pb2.ReadRequest(
                urn=resource.urn,
                id=resource.id,
                properties=encode(resource.outputs),
                inputs=encode(resource.inputs),
            )
        )
        if not answer.id:
            return False
        resource.inputs, resource.outputs = decode(answer.inputs), decode(answer.properties)
        return True

    def adopt(self, token: str, name: str, identity: str) -> Resource | None:
        """What an import does: a read by id alone."""
        urn = f"urn:pulumi:test::gchain::{token}::{name}"
        answer = self.stub.Read(provider_pb2.ReadRequest(urn=urn, id=identity))
        return Resource(urn, answer.id, decode(answer.inputs), decode(answer.properties)) if answer.id else None

    def delete(self, resource: Resource) -> None:
        self.stub.Delete(
            provider_pb2.DeleteRequest(urn=resource.urn, id=resource.id, properties=encode(resource.outputs))
        )
