"""avatar-serve render: the whole DAG in this process, without Ray."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from pathlib import Path

from tqdm import tqdm

from deployments.core.types import RenderRequest
from deployments.media import captions
from deployments.media.recording import Recording, Take
from deployments.tts.sentences import split

from . import config_file
from .api.schemas import RenderBody, RenderResponse
from .inprocess import in_process
from .pipeline import render
from .results import RenderResult, describe
from .settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The fields of a request."""
    parser.add_argument("text", help="what to say; - reads standard input")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument("--voice", dest="voice_id", help="voice ID (the default voice)")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--speaker")
    parser.add_argument("--viseme-set", default="basic", choices=["basic", "oculus", "azure", "rhubarb", "arkit"])
    parser.add_argument("--timing", default="natural", choices=["natural", "exact"])


def run(parsed: argparse.Namespace) -> int:
    """Renders and writes audio, captions and response.json."""
    ...
