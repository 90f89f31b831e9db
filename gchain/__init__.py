"""The operator's side of the G-Chain kit: environments, stacks, sandbox and the path to go-live."""

__version__ = "0.1.0"
