"""The node's HTTP side: reads, submission, live events, metrics and pages, on a plain and a TLS listener."""
