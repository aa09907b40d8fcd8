"""The roof: wiring and HTTP. Nothing below imports it."""
