"""avatar-serve: serve, render, check, voices, models, keys, parity."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml

from deployments.core.errors import AvatarError
from deployments.core.types import CacheUse, Timing, VisemeSet

DEFAULT_CONFIG = Path(__file__).parents[1] / "configs" / "local.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status is 0 on success, 1 on a fault, 2 on wrong usage."""
    parsed = _parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
        return status
    except AvatarError as error:
        print(f"{error}" + (f"\n{error.hint}" if error.hint else ""), file=sys.stderr)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("avatar-serve", description="Text in; speech, lip sync and eye animation out.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _serve_parser(commands.add_parser("serve", help="run the server on this machine"))
    _render_parser(commands.add_parser("render", help="render a text or a recording to files, without a server"))
    _check_parser(commands.add_parser("check", help="run every engine's example and check a config file"))
    _voices_parser(commands.add_parser("voices", help="list and download voices"))
    _models_parser(commands.add_parser("models", help="list and download what voices of your own need"))
    _keys_parser(commands.add_parser("keys", help="make API keys"))
    _parity_parser(commands.add_parser("parity", help="compare an engine with references on this machine"))
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
    _config_argument(parser)
    parser.add_argument("text", nargs="?", help="what to say; - reads standard input")
    parser.add_argument("--audio", type=Path, metavar="FILE", help="a recording in place of a voice: WAV, MP3, …")
    parser.add_argument("--text", dest="said", help="what is said in it, if that is known; - reads standard input")
    parser.add_argument("--language", help="of the recording: en_US, de, …")
    parser.add_argument("--lipsync", default="auto", help="auto, phonemes, align, recognize, rhubarb (%(default)s)")
    parser.add_argument("--portrait", metavar="FILE", help="also a video of it: PNG, JPEG, WebP, or a built-in one")
    parser.add_argument("--engine", help="that makes the portrait talk: warp, wav2lip (that of the settings)")
    parser.add_argument("--size", type=int, default=512, help="of the video in pixels (%(default)s)")
    parser.add_argument("--fps", type=int, default=25, help="frames in a second (%(default)s)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="folder for the files; NAME.mp4 for the video alone"
    )
    parser.add_argument("--voice", dest="voice_id", help="voice ID (the default voice)")
    parser.add_argument("--speed", type=float, default=1.0, help="0.5-2.0 (%(default)s)")
    parser.add_argument("--speaker", help="name or number, for voices with several speakers")
    parser.add_argument("--viseme-set", default="basic", choices=get_args(VisemeSet))
    parser.add_argument("--timing", default="natural", choices=get_args(Timing))
    parser.add_argument(
        "--cache", default="use", choices=get_args(CacheUse), help="the server's own, in DATA_DIR/cache"
    )
    parser.set_defaults(run=_later("cli_render", "run"))


def _check_parser(parser: argparse.ArgumentParser) -> None:
    _config_argument(parser)
    parser.set_defaults(run=_later("cli_check", "run"))


def _voices_parser(parser: argparse.ArgumentParser) -> None:
    _config_argument(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="all Piper voices, the installed ones first")
    listing.add_argument("--language", metavar="CODE", help="only this language: en, or en_GB")
    listing.set_defaults(run=_later("cli_voices", "list_voices"))
    loading = commands.add_parser("download", help="install voices of the catalogue")
    loading.add_argument("voice_ids", nargs="+", metavar="ID")
    loading.set_defaults(run=_later("cli_voices", "download_voices"))
    adding = commands.add_parser("add", help="install an RVC model of your own as a character")
    adding.add_argument("checkpoint", type=Path, metavar="NAME.pth", help="as RVC-Project, Mangio or Applio export it")
    adding.add_argument("index", type=Path, nargs="?", metavar="NAME.index", help="its added_*.index, if there is one")
    adding.add_argument("--name", help="of the character (that of the file)")
    adding.add_argument("--tts", metavar="ID", help="the voice that speaks (the default voice)")
    adding.add_argument("--pitch-semitones", type=float, metavar="N", help="up or down, to the model's own pitch (0)")
    adding.add_argument("--speed", type=float, metavar="X", help="0.5-2.0 (1)")
    adding.set_defaults(run=_later("cli_characters", "add_voice"))


def _models_parser(parser: argparse.ArgumentParser) -> None:
    _config_argument(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="what there is, and what of it is here")
    listing.set_defaults(run=_later("cli_models", "list_models"))
    pulling = commands.add_parser("pull", help="download models; goes on where it was interrupted")
    pulling.add_argument("names", nargs="*", metavar="NAME", help="one of the list (all of it)")
    pulling.set_defaults(run=_later("cli_models", "pull_models"))


def _keys_parser(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    making = commands.add_parser("new", help="print a fresh key, and the lines of the config file for it")
    making.add_argument("name", metavar="NAME", help="whose key it is")
    making.add_argument("--admin", action="store_true", help="sees the jobs of all, the settings and the metrics")
    making.set_defaults(run=_later("cli_keys", "new"))


_WITH_REFERENCES = (
    ("rvc", "rvc", "voice conversion", "references: synth/, e2e/, index/ and the rule of the extractor"),
    ("avatar", "wav2lip", "mouths of videos", "references: io.npz, mel_ref.npz and the rule of the network"),
)
"""Room, engine, what it is, what its folder of references holds."""


def _parity_parser(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="ENGINE")
    for room, engine, purpose, references in _WITH_REFERENCES:
        command = commands.add_parser(engine, help=purpose)
        command.add_argument("folder", type=Path, help=references)
        command.add_argument("--device", default="auto", choices=["auto", "cuda", "mps", "cpu"])
        command.add_argument("--dtype", default="float32", choices=["auto", "float32", "bfloat16", "float16"])
        command.set_defaults(run=_later("cli_parity", "run"), room=room, engine=engine)


def _later(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """Imports a command when it is run: `serve` lives as long as the server and should not carry Ray about."""

    def run(parsed: argparse.Namespace) -> int:
        status: int = getattr(importlib.import_module(f"{__package__}.{module}"), function)(parsed)
        return status

    return run


if __name__ == "__main__":
    sys.exit(main())
