"""The G-Chain ledger node."""

__version__ = "0.1.0"
