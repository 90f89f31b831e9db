"""Commands of `gchain-node` that ask a node: reads, transactions, receipts, blocks, members, proposals."""
