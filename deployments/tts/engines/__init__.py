"""Voice engines: one file or folder each, discovered by name."""
