"""Settings of who may ask, and how much at once: the section `access` of args."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field, field_validator

from deployments.jobs.contract import ApiKey

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s*?#@A-Z]+")
"""As browsers write it into the Origin header, to which it is compared letter by letter."""


class AccessSettings(BaseModel):
    """Keys, other sites' pages, and the size of bodies."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    keys: tuple[ApiKey, ...] = ()
    """`avatar-serve keys new NAME` makes one. None: everybody may do everything."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may use the API from a browser, such as https://example.org; "*" for all."""
    max_body_kb: int = Field(default=64, ge=1)
    """KiB of a JSON body: 5000 characters at up to 12 bytes each, and a rest for other fields. Uploads have their own
    limits."""

    @field_validator("keys")
    @classmethod
    def _are_different(cls, keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        if name := _repeated(key.name for key in keys):
            raise ValueError(f"two keys have the name {name!r}; jobs belong to names")
        if digest := _repeated(key.sha256.get_secret_value() for key in keys):
            names = " and ".join(key.name for key in keys if key.sha256.get_secret_value() == digest)
            raise ValueError(f"{names} have the same sha256; every user needs a key of their own")
        return keys

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f'{origin!r} is no origin: write scheme://host or scheme://host:port, or "*"')
        return origins

    @property
    def max_body_bytes(self) -> int:
        """max_body_kb in bytes."""
        return self.max_body_kb * 1024


def _repeated(values: Iterable[str]) -> str | None:
    """The first that comes more than once."""
    return next((value for value, count in Counter(values).items() if count > 1), None)
