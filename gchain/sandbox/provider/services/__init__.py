"""The resource types, one file a cloud service."""
