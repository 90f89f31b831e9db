"""Reports: each member's own, signed; the consortium's, merged from them; and their other forms."""
