"""Evidence that stands without the node: trees, headers, commits, receipts. Nothing here opens a socket or a store."""
