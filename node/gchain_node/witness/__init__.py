"""A witness of logs (C2SP tlog-witness): a small process of a body outside the consortium."""
