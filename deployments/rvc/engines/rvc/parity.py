"""Compares the engine with references: is it right on this machine, in this precision?

A folder is laid out like the project's shared/data/rvc: `synth/*.pth` with an .npz each (one call of the network with
its noise taped), `e2e/*.npz` (the whole pipeline, noise zero, f0 given), `index/`, and the rule by which the feature
extractor is filled with numbers: `hubert_config.json`, `hubert_keys.json`, `fill_check.json`.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors.torch import save_file
from torch import Tensor

from deployments.core.parity import Row, compare
from deployments.device import Device, Precision, choose_device, choose_dtype, tune

from .batches import Batches
from .checkpoint import load_voice
from .contentvec import ContentVec
from .f0 import F0, coarse, fill_unvoiced
from .index import FeatureIndex
from .loudness import limit_peak
from .pipeline import Job, Pipeline, Tuning, Voice
from .signals import Framing
from .synthesizer import Frames

_GAINS = {"linear_w": 1.0, "conv_w": 2.0, "qk_w": 2.0, "attn_out_w": 0.09}
"""Variance of a weight times its fan-in, by kind: the fill rule."""
_LOW_PRECISION_DB = 25.0
"""Least SNR of the audio in float16 and bfloat16, of which nothing else is asked."""
_LATENTS = 1e-4
_FEATURES = 5e-3
"""They are stored as float16."""
_PITCHF_HZ = 1e-3
_INT16_STEPS = 8


def check(folder: Path, device: Device = "auto", dtype: Precision = "float32") -> Iterator[Row]:
    """As run, with the names that Options have for devices and precisions.

    Raises:
        BadInput: a device that this machine does not have.
        ValueError: as run.
    """
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    tune(precision, one_shape=False)
    yield from run(folder, place, precision)


def run(folder: Path, device: torch.device, dtype: torch.dtype) -> Iterator[Row]:
    """Runs all cases of a folder, one after another.

    Raises:
        ValueError: there are none, or the filled extractor is not the references' one.
    """
    synth, whole = sorted(folder.glob("synth/*.npz")), sorted(folder.glob("e2e/*.npz"))
    if not synth and not whole:
        raise ValueError(f"{folder}: there are no cases in synth/ and e2e/.")
    for path in synth:
        yield from _synthesizer_case(path, device, dtype)
    extractors: dict[int, ContentVec] = {}
    for path in whole:
        seed = int(_parameters(path)["hubert_seed"])
        if seed not in extractors:
            extractors[seed] = filled_extractor(folder, seed).to(device, dtype)
        yield from _whole_case(folder, path, extractors[seed], device, dtype)


def _synthesizer_case(path: Path, device: torch.device, dtype: torch.dtype) -> Iterator[Row]:
    arrays = np.load(path)
    given = {name: torch.from_numpy(arrays[name]).to(device) for name in arrays.files if arrays[name].ndim}
    _, network = load_voice(path.with_suffix(".pth"))
    noise = given.get("noise_src")
    frames = Frames(
        phone=given["phone"],
        lengths=given["lengths"],
        pitch=given.get("pitch"),
        pitchf=given.get("pitchf"),
        speaker=given["sid"],
        noise_z=given["noise_z"],
        noise_source=None if noise is None else noise[..., 0],
    )
    sound = network.in_dtype(dtype).to(device)(frames)
    name = f"synth/{path.stem}"
    yield _audio_row(name, sound.audio, arrays, dtype)
    if dtype == torch.float32:
        for array, found in (("m_p", sound.m_p), ("logs_p", sound.logs_p), ("z", sound.z)):
            yield _row(name, array, found, arrays[array], most_worst=_LATENTS)


def _whole_case(
    folder: Path, path: Path, extractor: ContentVec, device: torch.device, dtype: torch.dtype
) -> Iterator[Row]:
    arrays, wish = np.load(path), _parameters(path)
    job, f0 = _job(folder, wish, arrays, device, dtype), _f0(wish, arrays)
    job.cut(f0 if job.voice.config.has_f0 else None, seed=None, length=None)
    for _ in Pipeline(extractor, device, Batches(0), Batches(0)).run([job]):
        pass
    name, audio = f"e2e/{path.stem}", job.result()
    yield _audio_row(name, audio, arrays, dtype)
    if dtype != torch.float32:
        return
    if job.voice.config.has_f0:
        yield _row(name, "pitch", coarse(f0), arrays["pitch"], 0)
        yield _row(name, "pitchf", f0, arrays["pitchf"], _PITCHF_HZ)
    rows = arrays["feature_rows"]
    features = torch.cat([piece.features for piece in job.pieces if piece.features is not None])
    yield _row(name, "features", features[torch.from_numpy(rows).long().to(device)], arrays["features"], _FEATURES)
    steps = (limit_peak(audio) * 32768).astype(np.int16)
    yield _row(name, "audio_int16", steps, arrays["audio_int16"], _INT16_STEPS)


def _job(folder: Path, wish: dict[str, Any], arrays: Any, device: torch.device, dtype: torch.dtype) -> Job:
    config, network = load_voice(folder / wish["voice"])
    index = FeatureIndex(folder / wish["index"], config.phone_width) if wish.get("index") else None
    voice = Voice(wish["voice"], config, network.in_dtype(dtype).to(device), index)
    tuning = Tuning(int(wish["sid"]), wish["index_rate"], wish["protect"], wish["rms_mix_rate"])
    framing = Framing(*(float(wish[f"x_{name}"]) for name in ("pad", "query", "center", "max")))
    return Job.of(arrays["input"].astype(np.float64), voice, tuning, framing)


def _f0(wish: dict[str, Any], arrays: Any) -> F0:
    """(P,) Hz in the case's key; of no use to a voice without f0."""
    if "f0" not in arrays.files:
        return np.zeros(0)
    f0: F0 = arrays["f0"].astype(np.float64) * 2 ** (wish["key"] / 12)
    return f0 if str(wish["unvoiced"]).startswith("classic") else fill_unvoiced(f0)


def filled_extractor(folder: Path, seed: int) -> ContentVec:
    """The references' feature extractor, filled by the rule of the folder's README; float32, on the CPU.

    Raises:
        ValueError: the numbers are not those that the references were made with.
    """
    keys = json.loads((folder / "hubert_keys.json").read_text(encoding="utf-8"))
    check = json.loads((folder / "fill_check.json").read_text(encoding="utf-8"))
    weights, digest = {}, hashlib.sha256()
    for number, (name, shape, _, kind) in enumerate(keys):
        values = _filling(kind, tuple(shape), np.random.default_rng([seed, number]))
        digest.update(name.encode() + np.ascontiguousarray(values).tobytes())
        weights[name] = torch.from_numpy(values)
    if seed == check["seed"] and digest.hexdigest() != check["sha256"]:
        raise ValueError(f"{folder}: the filled extractor has another SHA-256 than fill_check.json.")
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        (home / "config.json").write_bytes((folder / "hubert_config.json").read_bytes())
        save_file(weights, home / "model.safetensors")
        return ContentVec(home)


def _filling(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    if kind in _GAINS:
        values = rng.standard_normal(shape) * np.sqrt(_GAINS[kind] / math.prod(shape[1:]))
    elif kind == "pos_v":
        values = rng.standard_normal(shape)
    elif kind == "pos_g":
        values = 1.5 + rng.random(shape)
    elif kind == "norm_w":
        values = 0.75 + 0.5 * rng.random(shape)
    elif kind in ("norm_b", "bias"):
        values = 0.05 * rng.standard_normal(shape)
    elif kind == "unused":
        values = np.zeros(shape)
    else:
        raise ValueError(f"hubert_keys.json: the kind {kind!r} is not known.")
    filled: NDArray[np.float32] = values.astype(np.float32)
    return filled


def _audio_row(case: str, found: Tensor | NDArray[Any], arrays: Any, dtype: torch.dtype) -> Row:
    if dtype != torch.float32:
        return _row(case, "audio", found, arrays["audio"], math.inf, _LOW_PRECISION_DB)
    least, most = float(arrays["tol_snr_db"]), float(arrays["tol_max_abs"])
    return _row(case, "audio", found, arrays["audio"], most, least)


def _row(
    case: str, array: str, found: Tensor | ArrayLike, reference: ArrayLike, most_worst: float, least: float = -math.inf
) -> Row:
    return compare(case, array, found.cpu() if isinstance(found, Tensor) else found, reference, most_worst, least)


def _parameters(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        wish: dict[str, Any] = json.loads(str(arrays["params"]))
    return wish
