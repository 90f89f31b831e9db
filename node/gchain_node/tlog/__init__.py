"""The transparency log over all transactions: RFC 6962 hashing, C2SP tlog-tiles, signed checkpoints, witnesses."""
