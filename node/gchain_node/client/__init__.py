"""Python client of nodes' APIs: build, sign and submit transactions, wait for their block, fetch what proves it.

`Client` for ordinary programs, `AsyncClient` for an event loop; both carry out the same operations (`steps`).
"""

from gchain_node.client.answers import Outcome, QueryAnswer
from gchain_node.client.asynchronous import AsyncClient
from gchain_node.client.events import LedgerEvent
from gchain_node.client.synchronous import Client

__all__ = ["AsyncClient", "Client", "LedgerEvent", "Outcome", "QueryAnswer"]
