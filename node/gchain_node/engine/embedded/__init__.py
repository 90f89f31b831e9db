"""The embedded engine: the whole ledger in one process, for development, with CometBFT's headers and commits."""
