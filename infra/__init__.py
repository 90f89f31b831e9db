"""The Pulumi program: what one agency's stack (or the foundation stack) holds."""
