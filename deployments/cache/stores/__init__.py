"""Level 2: where values outlive the server."""
