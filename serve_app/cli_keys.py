"""avatar-serve keys: make API keys."""

from __future__ import annotations

import argparse
import hashlib
import secrets

import yaml
from pydantic import ValidationError

from deployments.core.errors import BadInput
from deployments.jobs.contract import ApiKey

_PREFIX = "av_"
"""Says what it is to who finds one, and to programs that look for keys in places where none should be."""
_RANDOM_BYTES = 32
"""As many as its digest has: nobody guesses either."""


def new(parsed: argparse.Namespace) -> int:
    """Prints a fresh key, which nothing keeps, and what a config file needs to know it by."""
    key = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    entry = {"name": parsed.name, "sha256": hashlib.sha256(key.encode()).hexdigest()}
    if parsed.admin:
        entry["admin"] = True
    try:
        ApiKey.model_validate(entry)
    except ValidationError as error:
        raise BadInput(
            f"{parsed.name!r} is no name for a key.", hint="Use 1 to 64 of: letters, digits, dot, dash, underscore."
        ) from error
    print(key)
    print("\nThis is the key, shown once: give it to its user. The server needs these lines, under args.access.keys:\n")
    print(yaml.safe_dump([entry], sort_keys=False), end="")
    return 0
