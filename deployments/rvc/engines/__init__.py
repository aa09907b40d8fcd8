"""Engines of the rvc room: a file or folder each."""
