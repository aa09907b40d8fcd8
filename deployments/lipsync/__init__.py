"""Lip sync: speech in; mouth shapes with exact times out."""
