"""Where jobs are kept."""

from __future__ import annotations

import logging
from pathlib import Path

from deployments.jobs.contract import JobOptions, Store

from .sqlite import SqliteStore
from .valkey import ValkeyStore

logger = logging.getLogger("ray.serve")


def open_store(options: JobOptions, folder: Path, server: str, app: str) -> Store:
    """The store that the settings name.

    Args:
        options: of the room.
        folder: where a file goes.
        server: tells servers apart that share a folder or a Valkey; may be empty.
        app: name of the application: each leads jobs of its own.
    """
    name = "-".join(part for part in (app, server) if part)
    if options.valkey_host is None:
        path = folder / f"jobs-{name}.sqlite"
        if others := sorted(each.name for each in folder.glob("jobs-*.sqlite") if each != path):
            logger.info("jobs are in %s; those in %s are other servers': of another PORT", path, ", ".join(others))
        return SqliteStore(path)
    password = options.valkey_password
    return ValkeyStore(
        options.valkey_host, options.valkey_port, password.get_secret_value() if password else None, name
    )
