"""What the types of EC2 share: one create call, one describe call by id, one delete call, tags by CreateTags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gchain.sandbox.provider.cloud import Operation
from gchain.sandbox.provider.schema import Input, ResourceType, member_name
from gchain.sandbox.provider.wire import Properties

__all__ = ["Ec2Object", "Ec2Setting", "parameters", "tag_list", "tags_of", "values"]


def parameters(inputs: tuple[Input, ...], new: Properties) -> Properties:
    """The inputs that have a name in the API, under that name."""
    return {item.api: new[item.name] for item in inputs if item.api and new.get(item.name) is not None}


def values(inputs: tuple[Input, ...], live: Mapping[str, Any]) -> Properties:
    """The other way: the live value of every input that has a name in the API."""
    return {item.name: live.get(item.api) for item in inputs if item.api}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(live: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in live.get("Tags") or []}


def retag(op: Operation, identity: str, tags: Mapping[str, str], removed: list[str]) -> None:
    """Sets and removes tags of one EC2 object."""
    if removed:
        op.call("ec2.delete_tags", Resources=[identity], Tags=[{"Key": key} for key in removed])
    if tags:
        op.call("ec2.create_tags", Resources=[identity], Tags=tag_list(tags))


class Ec2Setting(ResourceType):
    """A type without tags and ARN: an association, a route, a switch."""


class Ec2Object(ResourceType):
    """An object with an id, tags and usually an ARN.

    `noun` is its name in TagSpecifications and in its ARN; `created` the path to the id in the answer of
    `create_action`; `described` is (action, parameter, member); `deleted` (action, parameter); `gone` the error codes
    that mean it does not exist; `shown` the outputs that the description holds under their capitalised name. moto
    drops the tags of some create calls: `tags_at_create` is then false and they are set by CreateTags.
    """

    taggable = True
    noun: ClassVar[str]
    create_action: ClassVar[str]
    created: ClassVar[tuple[str | int, ...]]
    described: ClassVar[tuple[str, str, str]]
    deleted: ClassVar[tuple[str, str]]
    gone: ClassVar[tuple[str, ...]]
    shown: ClassVar[tuple[str, ...]] = ()
    tags_at_create: ClassVar[bool] = True

    def create(self, op: Operation, new: Properties) -> str:
        arguments = parameters(self.inputs, new) | self.arguments(op, new)
        if self.tags_at_create and new["tagsAll"]:
            arguments["TagSpecifications"] = [{"ResourceType": self.noun, "Tags": tag_list(new["tagsAll"])}]
        answer: Any = op.call(f"ec2.{self.create_action}", **arguments)
        for key in self.created:
            answer = answer[key]
        return str(answer)

    def arguments(self, op: Operation, new: Properties) -> Properties:
        """Parameters of the create call that do not follow from the declarations."""
        return {}

    def settle(self, op: Operation, identity: str, new: Properties) -> None:
        if not self.tags_at_create and new["tagsAll"]:
            op.call("ec2.create_tags", Resources=[identity], Tags=tag_list(new["tagsAll"]))

    def describe(self, op: Operation, identity: str) -> dict[str, Any] | None:
        """The description of a living object; `None` when it does not exist (any more)."""
        action, parameter, member = self.described
        answer = op.find(f"ec2.{action}", self.gone, **{parameter: [identity]})
        found = [item for item in (answer or {}).get(member, []) if self.lives(item)]
        return found[0] if found else None

    def lives(self, live: Mapping[str, Any]) -> bool:
        """Whether a listed object still exists; the cloud keeps listing some after they are deleted."""
        return True

    def read(self, op: Operation, identity: str, known: Properties) -> Properties | None:
        live = self.describe(op, identity)
        if live is None:
            return None
        result = values(self.inputs, live) | {name: live.get(member_name(name)) for name in self.shown}
        result |= {"arn": op.arn("ec2", f"{self.noun}/{identity}"), "tags": tags_of(live)}
        return result | self.details(op, identity, live)

    def details(self, op: Operation, identity: str, live: Mapping[str, Any]) -> Properties:
        """Live values that do not follow from the declarations."""
        return {}

    def delete(self, op: Operation, identity: str, state: Properties) -> None:
        action, parameter = self.deleted
        op.find(f"ec2.{action}", self.gone, **{parameter: identity})

    def retag(
        self, op: Operation, identity: str, state: Properties, tags: Mapping[str, str], removed: list[str]
    ) -> None:
        retag(op, identity, tags, removed)
