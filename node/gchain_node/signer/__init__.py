"""The validator's remote signer: it journals what it will sign, and signs nothing twice."""
