"""Where a checkpoint lies, and what kind of file it is by its first bytes. Needs no torch."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from deployments.core.errors import BadModel, EngineNotInstalled

FOLDER = "wav2lip"
"""Of checkpoints, below the models folder."""
MAX_BYTES = 1 << 30
"""The published ones have 416 MB, with what the trainer's Adam keeps; 1 GiB leaves room for float64."""
MIN_BYTES = 72_000_000
"""36.3 million parameters in float16."""
MAX_PICKLE_BYTES = 4 << 20
"""It holds names and shapes, about 100 kB, and is read by Python, slowly and into many objects."""
Kind = Literal["zip", "torchscript", "legacy", "safetensors"]

_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""A pickle of torch.serialization.MAGIC_NUMBER: how torch.save began until 1.6, as in the published wav2lip_gan.pth."""
_ZIP = b"PK\x03\x04"
_LFS = b"version https://git-lfs"
_AGAIN = "Download it again, with the whole page open in a browser: big files of cloud drives ask before they come."


def find(models_dir: Path, name: str) -> Path:
    """A checkpoint of the models folder.

    Args:
        models_dir: may be missing.
        name: of the file, in wav2lip/.

    Raises:
        EngineNotInstalled: it is not there, or not inside the folder; the hint says how it gets there.
    """
    home = models_dir / FOLDER
    path = home / name
    plain = name == Path(name).name and "\x00" not in name
    try:
        if plain and path.is_file() and path.resolve().is_relative_to(models_dir.resolve()):
            return path
    except OSError:  # a name that is too long, links that go round
        pass
    # Without the folder's own address: clients of the server read this, too.
    raise EngineNotInstalled(
        f"engine: wav2lip needs its weights, and there is no {name[:80]!r} in the server's models/{FOLDER}.",
        hint="Its authors give them away (README of Rudrabha/Wav2Lip on GitHub), for research and personal use: put "
        f"wav2lip_gan.pth or Wav2Lip-SD-GAN.pt into DATA_DIR/models/{FOLDER}, and name another file by the option "
        "`checkpoint`.",
    )


def kind_of(path: Path) -> Kind:
    """What a file is that claims to be a checkpoint.

    Raises:
        BadModel: a web page, a pointer, a part of a file, or something else; says which.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            begin = file.read(64)
    except OSError as error:
        raise BadModel(f"{path.name}: {error}.") from error
    if size > MAX_BYTES:
        raise BadModel(f"{path.name}: more than {MAX_BYTES >> 20} MB.")
    kind = _by_magic(path, begin)
    if size < MIN_BYTES:
        raise BadModel(
            f"{path.name}: it has {size / 1e6:.1f} MB, whole ones 145 or 416: only a part of one, or another network.",
            hint=_AGAIN,
        )
    return kind


def _by_magic(path: Path, begin: bytes) -> Kind:
    if begin.startswith(_ZIP):
        return _by_entries(path)
    if begin.startswith(_LEGACY):
        return "legacy"
    if begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") < path.stat().st_size:
        return "safetensors"
    if begin.startswith(_LFS):
        raise BadModel(
            f"{path.name}: a pointer of Git LFS instead of the file.", hint="Run `git lfs pull` where it came from."
        )
    if begin.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise BadModel(f"{path.name}: a web page instead of a checkpoint.", hint=_AGAIN)
    raise BadModel(f"{path.name}: neither a PyTorch nor a safetensors file.", hint=_AGAIN)


def _by_entries(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise BadModel(f"{path.name}: only a part of an archive ({error}).", hint=_AGAIN) from error
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        return "torchscript"
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise BadModel(f"{path.name}: it unpacks to more than its own size, which no checkpoint does.")
    if any(entry.filename.endswith(".pkl") and entry.file_size > MAX_PICKLE_BYTES for entry in entries):
        raise BadModel(f"{path.name}: its pickle has more than {MAX_PICKLE_BYTES >> 20} MB.")
    return "zip"
