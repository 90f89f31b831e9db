"""What members do together: officers' keys, the agreed genesis, go-live, and business on the ledger."""
