"""Voice conversion: speech in one voice becomes the same speech in another."""
