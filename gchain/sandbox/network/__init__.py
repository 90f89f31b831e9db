"""The network that the cloud's state describes, built in network namespaces and one nftables ruleset."""
