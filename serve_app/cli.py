"""avatar-serve: serve, render, check, voices."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from deployments.core.errors import AvatarError

DEFAULT_CONFIG = Path(__file__).parents[1] / "configs" / "local.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status is 0 on success, 1 on a fault, 2 on wrong usage."""
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
        return status
    except AvatarError as error:
        print(f"{error}" + (f"\n{error.hint}" if error.hint else ""), file=sys.stderr)
    except ValueError as error:
        print(error, file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("avatar-serve", description="Text in; speech, lip sync and eye animation out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _serve_parser(commands.add_parser("serve", help="run the server on this machine"))
    _render_parser(commands.add_parser("render", help="render a text to files, without a server"))
    _check_parser(commands.add_parser("check", help="run every engine's example and check a config file"))
    _voices_parser(commands.add_parser("voices", help="list and download voices"))
    return parser


def _config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="Serve config file (%(default)s)")


def _serve_parser(parser: argparse.ArgumentParser) -> None:
    _config_argument(parser)
    parser.set_defaults(run=_serve)


def _serve(parsed: argparse.Namespace) -> int:
    from . import supervisor

    # Without Ray's schema, which this process would carry about for nothing: the server checks the file strictly.
    http = _http_options(parsed.config)
    host = os.environ.get("HOST") or http.get("host", "127.0.0.1")
    return supervisor.run(parsed.config, host, _port(os.environ.get("PORT") or http.get("port", 8000)))


def _http_options(config: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{config}: {error}") from error
    options = document.get("http_options") if isinstance(document, dict) else None
    return options if isinstance(options, dict) else {}


def _port(value: object) -> int:
    text = str(value)
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ValueError(f"PORT: {text!r} is no port number; use 1 to 65535.")
    return int(text)


def _render_parser(parser: argparse.ArgumentParser) -> None:
    from .cli_render import add_arguments, run

    _config_argument(parser)
    add_arguments(parser)
    parser.set_defaults(run=run)


def _check_parser(parser: argparse.ArgumentParser) -> None:
    _config_argument(parser)
    parser.set_defaults(run=_check)


def _check(parsed: argparse.Namespace) -> int:
    from .cli_check import run

    return run(parsed.config)


def _voices_parser(parser: argparse.ArgumentParser) -> None:
    from .cli_voices import add_commands

    _config_argument(parser)
    add_commands(parser)


if __name__ == "__main__":
    sys.exit(main())
