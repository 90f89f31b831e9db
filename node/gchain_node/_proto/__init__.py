"""Generated from `node/protos` by `node/build_protos.py`: messages of the CometBFT v0.38 wire format."""
