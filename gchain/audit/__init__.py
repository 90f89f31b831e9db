"""Audit of a ledger export: everything recomputed from the file, by code of its own.

Of the node's code only the meaning of transactions is shared: genesis, the modules' actions, what the validator set may
become, rotations and evidence (`gchain_node.genesis`, `.modules`, `.validators`, `.evidence`), over the state overlay
that they are written for (`gchain_node.state`). Not shared, but written anew here: reading of headers, commits and
transactions, their hashes and sign bytes, signatures, RFC 6962 trees, the state tree, the log, replay windows,
admission of transactions, and the counting of voting power. A mistake in the node's proofs, store or engine cannot hide
here; one in the meaning of an action can.
"""
