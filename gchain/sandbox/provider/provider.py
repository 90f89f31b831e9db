"""What each operation of the provider protocol means, for any resource type.

Outputs always come from reading the cloud, after a create and an update too, so state never holds what was only meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gchain.errors import GchainError
from gchain.sandbox.provider import checking, configuration, differing
from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.configuration import Configuration
from gchain.sandbox.provider.registry import resource_type
from gchain.sandbox.provider.schema import Change, ResourceType
from gchain.sandbox.provider.wire import UNKNOWN, Properties

__all__ = ["IncompleteError", "Provider", "Reading"]


class IncompleteError(GchainError):
    """A resource exists but could not be set up fully: the engine must record it all the same."""

    def __init__(self, identity: str, properties: Properties, inputs: Properties, reason: str) -> None:
        super().__init__(reason)
        self.identity = identity
        self.properties = properties
        self.inputs = inputs


@dataclass(frozen=True)
class Reading:
    """The live resource: its id, its outputs, and its inputs as the cloud has them."""

    identity: str
    outputs: Properties
    inputs: Properties


class Provider:
    """The sandbox's AWS provider; one instance per provider resource, called from several threads."""

    def __init__(self) -> None:
        self._configuration: Configuration | None = None

    def configure(self, given: Properties) -> None:
        self._configuration = configuration.connect(given)

    @property
    def configured(self) -> Configuration:
        if self._configuration is None:
            raise GchainError("the provider's configuration is not known yet, so nothing can be read or changed")
        return self._configuration

    def check(
        self, token: str, name: str, given: Properties, before: Properties, seed: bytes
    ) -> tuple[Properties, dict[str, str]]:
        region = self._configuration.region if self._configuration else None
        return checking.check(resource_type(token), name, given, before, region, seed)

    def diff(self, token: str, before: Properties, state: Properties, now: Properties) -> differing.Difference:
        return differing.diff(resource_type(token), before, state, now, self._wanted_tags(now))

    def preview(self, token: str, state: Properties, now: Properties) -> Properties:
        """The outputs as far as they are known before an update: of a new resource none but its inputs."""
        kind = resource_type(token)
        outputs: Properties = dict.fromkeys(_outputs(kind), UNKNOWN) | state | now
        if kind.taggable:
            outputs["tagsAll"] = self._wanted_tags(now)
        return outputs

    def create(self, token: str, new: Properties) -> tuple[str, Properties]:
        kind, op = resource_type(token), self._operation(new)
        complete = new | ({"tagsAll": self._wanted_tags(new)} if kind.taggable else {})
        identity = kind.create(op, complete)
        try:
            kind.settle(op, identity, complete)
            return identity, self._outputs_of(kind, op, identity, new, complete)
        except GchainError as error:
            raise IncompleteError(identity, complete, new, str(error)) from error

    def read(self, token: str, identity: str, state: Properties, inputs: Properties) -> Reading | None:
        """The live resource, or `None` when it is gone. Without `state` this is an import: `id` or `id@region`."""
        kind = resource_type(token)
        identity, _, region = identity.partition("@") if kind.regional and not state else (identity, "", "")
        op = self._operation({"region": region or inputs.get("region") or state.get("region")})
        live = kind.read(op, identity, state | inputs)
        if live is None:
            return None
        live |= {"region": op.region} if kind.regional else {}
        outputs = self._settled(kind, live, inputs)
        identity = str(outputs.get("id", identity))
        return Reading(identity, outputs | {"id": identity}, _refreshed_inputs(kind, outputs, state, inputs))

    def update(self, token: str, identity: str, before: Properties, state: Properties, now: Properties) -> Properties:
        kind, op = resource_type(token), self._operation(now)
        names = frozenset(differing.changed_inputs(kind, before, now))
        if names:
            kind.update(op, identity, Change(before, state, now, names))
        if kind.taggable:
            self._retag(kind, op, identity, state, now)
        return self._outputs_of(kind, op, identity, now, state | now)

    def delete(self, token: str, identity: str, state: Properties) -> None:
        resource_type(token).delete(self._operation(state), identity, state)

    def _operation(self, properties: Properties) -> Operation:
        configured = self.configured
        return Operation(configured.cloud, properties.get("region") or configured.region, configured.default_tags)

    def _wanted_tags(self, inputs: Properties) -> Any:
        tags = inputs.get("tags") or {}
        defaults = dict(self._configuration.default_tags) if self._configuration else {}
        return UNKNOWN if tags is UNKNOWN else defaults | tags

    def _retag(self, kind: ResourceType, op: Operation, identity: str, state: Properties, now: Properties) -> None:
        wanted, had = self._wanted_tags(now), state.get("tagsAll") or {}
        removed = [key for key in had if key not in wanted]
        if removed or wanted != had:
            kind.retag(op, identity, state, wanted, removed)

    def _outputs_of(
        self, kind: ResourceType, op: Operation, identity: str, inputs: Properties, known: Properties
    ) -> Properties:
        live = kind.read(op, identity, known)
        if live is None:
            raise GchainError(f"{kind.type_name} {identity}: the cloud does not know it right after changing it")
        live |= {"region": op.region} if kind.regional else {}
        outputs = self._settled(kind, live, inputs)
        return outputs | {"id": identity}  # as the bridged provider does: other resources and rules refer to it

    def _settled(self, kind: ResourceType, live: Properties, inputs: Properties) -> Properties:
        """Live values, spelled as the program spelled them where both mean the same."""
        result = dict(live)
        for item in kind.inputs:
            given = inputs.get(item.name)
            if given is None and item.when_given and inputs:
                result.pop(item.name, None)
            elif given is not None and (item.write_only or item.equal(result.get(item.name), given)):
                result[item.name] = _as_given(result.get(item.name), given)
        if kind.taggable:
            result |= self._split_tags(live.get("tags") or {}, inputs.get("tags") or {})
        return result

    def _split_tags(self, live: dict[str, str], own: dict[str, str]) -> Properties:
        every = {key: value for key, value in live.items() if not key.startswith("aws:")}
        defaults = self.configured.default_tags
        mine = {key: value for key, value in every.items() if key in own or defaults.get(key) != value}
        return {"tags": mine or None, "tagsAll": every}


def _as_given(live: Any, given: Any) -> Any:
    """The program's spelling, with what the cloud adds inside an object."""
    return live | given if isinstance(live, dict) and isinstance(given, dict) else given


def _refreshed_inputs(kind: ResourceType, outputs: Properties, state: Properties, inputs: Properties) -> Properties:
    """What the program would have had to say to get the live resource.

    A property that the program left out counts only when its live value moved since the last update; on import (no
    state) every value that is not a default does.
    """
    result: Properties = {"region": outputs["region"]} if kind.regional else {}
    names = [item for item in kind.inputs if item.name in inputs or _moved(item.default, outputs, state, item.name)]
    for item in names:
        live, given = outputs.get(item.name), inputs.get(item.name)
        result[item.name] = given if item.name in inputs and item.equal(live, given) else live
    if kind.taggable and (inputs.get("tags") or outputs.get("tags")):
        result["tags"] = outputs.get("tags")
    return {name: value for name, value in result.items() if value is not None}


def _moved(default: Any, outputs: Properties, state: Properties, name: str) -> bool:
    value = outputs.get(name)
    if not state:
        return value not in (None, [], {}, "") and value != default
    return name in state and value != state[name]


def _outputs(kind: ResourceType) -> tuple[str, ...]:
    optional = tuple(item.name for item in kind.inputs if item.computed)
    return (*kind.outputs, *optional, *(("tagsAll",) if kind.taggable else ()), *(("region",) if kind.regional else ()))
