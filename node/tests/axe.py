"""axe-core, the accessibility engine of Deque (MPL-2.0), run in the page that the test browser has open."""

from __future__ import annotations

import json
from functools import cache
from typing import Final

from node.tests.browser import Browser
from tests.other_tools import file_of_package

__all__ = ["objections"]

_RUN: Final = """axe.run({resultTypes: ["violations", "incomplete"], rules: {"target-size": {enabled: true}}})
  .then((found) => JSON.stringify({
    passes: found.passes.length,
    objections: [...found.violations, ...found.incomplete.filter(({id}) => id !== "color-contrast")]
      .flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.target.join(" ")} (${[...node.any, ...node.all,
        ...node.none].map((check) => check.message).join("; ")})`)),
  }))"""
"""`target-size` is of WCAG 2.2 AA (success criterion 2.5.8) and off unless it is asked for. A contrast that axe cannot
decide, as that of a sign, is left to the tests that measure each."""


@cache
def _engine() -> str:
    return file_of_package("axe", "axe_playwright_python/axe.min.js").read_text(encoding="utf-8")


def objections(browser: Browser) -> list[str]:
    """What axe finds wrong in the open page, and what it could not decide, a sentence each."""
    browser.evaluate(_engine())
    answer = browser.call("Runtime.evaluate", expression=_RUN, awaitPromise=True, returnByValue=True)
    found = json.loads(answer["result"]["value"])
    assert found["passes"] > 20, "axe looked at next to nothing"
    return list(found["objections"])
