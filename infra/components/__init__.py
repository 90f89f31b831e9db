"""Component resources, one file a concern: an arguments object, a class, children with `parent=self`."""
