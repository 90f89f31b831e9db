"""The node under CometBFT v0.38: the ABCI 2.0 socket server and the adapter to the engine's RPC."""
