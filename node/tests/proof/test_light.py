"""Light-client verification against the model-based tests of tendermint-rs, and CometBFT's own client."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gchain_node.errors import NotEnoughTrustError, VerificationError
from gchain_node.proof.block import ValidatorSet
from gchain_node.proof.light import LightBlock, Trusted, verify_step
from gchain_node.proof.light_client import LightClient, Provider
from gchain_node.proof.rpc_json import commit_from_json, header_from_json, parse_time, validators_from_json

CASES = Path(__file__).parent.parent / "cases" / "light_client"
SINGLE_STEP = sorted((CASES / "single_step").glob("*.json"))
SKIPPING = json.loads((CASES / "skipping.json").read_text())["cases"]


def light_block(value: dict[str, Any]) -> LightBlock:
    signed = value["signed_header"]
    return LightBlock(
        header_from_json(signed["header"]),
        commit_from_json(signed["commit"]),
        validators_from_json(value["validator_set"]["validators"]),
    )


def trusted(value: dict[str, Any]) -> Trusted:
    header = header_from_json(value["signed_header"]["header"])
    return Trusted(header, validators_from_json(value["next_validator_set"]["validators"]))


def step(known: Trusted, block: dict[str, Any], **options: Any) -> str:
    try:
        verify_step(known, light_block(block), **options)
    except NotEnoughTrustError:
        return "NOT_ENOUGH_TRUST"
    except VerificationError:
        return "INVALID"
    return "SUCCESS"


@pytest.mark.parametrize("path", SINGLE_STEP, ids=lambda path: path.stem)
def test_each_step_of_the_model_has_its_verdict(path: Path) -> None:
    case = json.loads(path.read_text())
    known = trusted(case["initial"])
    period = int(case["initial"]["trusting_period"])
    for number, entry in enumerate(case["input"]):
        verdict = step(known, entry["block"], now_ns=parse_time(entry["now"]), period_ns=period)
        assert verdict == entry["verdict"], f"step {number}"
        if verdict == "SUCCESS":
            known = trusted(entry["block"])


ONE_STEP = {"verified": "SUCCESS", "not_enough_trust": "NOT_ENOUGH_TRUST", "rejected": "INVALID"}


@pytest.mark.parametrize("case", [c for c in SKIPPING if "one_step" in c["expected"]], ids=lambda case: case["id"])
def test_a_jump_is_judged_as_the_engines_client_judges_it(case: dict[str, Any]) -> None:
    blocks = {b["signed_header"]["header"]["height"]: b for b in case["primary"]["light_blocks"]}
    options = case["trust_options"]
    level = Fraction(int(options["trust_level"]["numerator"]), int(options["trust_level"]["denominator"]))
    verdict = step(
        trusted(blocks[options["height"]]),
        blocks[case["height_to_verify"]],
        now_ns=parse_time(case["now"]),
        period_ns=int(options["period"]),
        drift_ns=int(case["max_clock_drift"]),
        level=level,
    )
    assert verdict == ONE_STEP[case["expected"]["one_step"]]


def provider(blocks: list[dict[str, Any]]) -> Provider:
    known = {int(block["signed_header"]["header"]["height"]): block for block in blocks}

    def provide(height: int) -> tuple[LightBlock, ValidatorSet]:
        block = known[height]
        return light_block(block), validators_from_json(block["next_validator_set"]["validators"])

    return provide


def client(case: dict[str, Any]) -> LightClient:
    options = case["trust_options"]
    primary = provider(case["primary"]["light_blocks"])
    return LightClient(
        chain_id=case["chain_id"],
        primary=primary,
        witnesses=[primary if "same_as_primary" in w else provider(w["light_blocks"]) for w in case["witnesses"]],
        period_ns=int(options["period"]),
        drift_ns=int(case["max_clock_drift"]),
        level=Fraction(int(options["trust_level"]["numerator"]), int(options["trust_level"]["denominator"])),
    )


@pytest.mark.parametrize("case", SKIPPING, ids=lambda case: case["id"])
def test_a_light_client_ends_where_the_engines_own_client_ends(case: dict[str, Any]) -> None:
    options, now = case["trust_options"], parse_time(case["now"])
    light = client(case)
    known = light.trust(int(options["height"]), bytes.fromhex(options["hash"]))
    if case["expected"]["result"] == "verified":
        found = light.verify(known, int(case["height_to_verify"]), now)
        assert found.header.hash().hex().upper() == case["expected"]["hash"]
    else:
        with pytest.raises(VerificationError):
            light.verify(known, int(case["height_to_verify"]), now)


def test_a_light_client_begins_with_no_other_header_than_the_one_trusted() -> None:
    with pytest.raises(VerificationError, match="another is trusted"):
        client(SKIPPING[0]).trust(1, bytes(32))
