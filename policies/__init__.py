"""Policy as code: the residency, ledger and hardening rules, their engine, sources and reports."""
