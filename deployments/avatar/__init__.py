"""Avatar video: a portrait that talks."""
