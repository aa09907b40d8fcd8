"""The engine whole, with random weights: what is drawn is noise, where and when is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from deployments.avatar.contract import SAMPLE_RATE, Part
from deployments.avatar.engines.wav2lip import Options, Parameters, weights
from deployments.avatar.engines.wav2lip.engine import Engine, State
from deployments.avatar.engines.wav2lip.face import Paster
from deployments.avatar.engines.wav2lip.mel import windows
from deployments.avatar.engines.wav2lip.network import Wav2Lip
from deployments.avatar.framing import frame
from deployments.core import engines
from deployments.core.errors import BadInput, EngineNotInstalled
from deployments.core.types import Animation, AudioClip, EyeTrack, VisemeTrack

from .models import NAME, canvas, save, somebody

ALL = Parameters().model_dump_json()


def _engine(models_dir: Path, **options: Any) -> Engine:
    chosen = {"accept_license": "research", "models_dir": models_dir, "device": "cpu", **options}
    engine: Engine = engines.load("avatar", "wav2lip", chosen)
    return engine


def _options(models_dir: Path, **options: Any) -> Options:
    return Options(accept_license="research", models_dir=models_dir, **options)


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Engine:
    """In float32, on two threads with two frames each."""
    return _engine(models_dir, dtype="float32", batch_size=2, threads=2)


def _sound(seconds: float, seed: int = 0) -> AudioClip:
    noise = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    return AudioClip(noise.astype(np.float32), SAMPLE_RATE)


def _still_timeline(seconds: float) -> Animation:
    track = VisemeTrack(np.zeros(1), np.zeros(1, np.uint8), np.zeros(1, np.float32), seconds)
    return Animation(AudioClip(np.zeros(0, np.float32), SAMPLE_RATE), track, EyeTrack(()), ())


def _part(state: State, frames: range, audio: AudioClip | None = None, parameters: str = ALL) -> Part[State]:
    clip = _sound(1.0) if audio is None else audio
    return Part(state, clip, _still_timeline(clip.duration_s), frames, parameters)


def test_the_example_becomes_a_video(engine: Engine) -> None:
    state = engine.prepare(*somebody(), canvas(128))
    (frames,) = engine.render([_part(state, range(6), engine.example)])
    assert frames.shape == (6, 128, 128, 3) and frames.dtype == np.uint8
    assert engine.frames_at_a_time == 4


def test_a_frame_does_not_depend_on_what_it_is_rendered_with(engine: Engine) -> None:
    """In any order, in parts, with other videos of other sizes: to the bit."""
    one, other = engine.prepare(*somebody(), canvas(128)), engine.prepare(*somebody(200, 200), canvas(160, fps=30))
    (whole,) = engine.render([_part(one, range(6))])
    mixed = engine.render(
        [
            _part(other, range(2, 5), _sound(0.5, 1)),
            _part(one, range(3, 6)),
            _part(other, range(0)),
            _part(one, range(1)),
        ]
    )
    assert [len(frames) for frames in mixed] == [3, 3, 0, 1]
    assert mixed[2].shape == (0, 160, 160, 3)
    assert (mixed[1] == whole[3:]).all() and (mixed[3] == whole[:1]).all()
    (alone,) = engine.render([_part(other, range(2, 5), _sound(0.5, 1))])
    assert (mixed[0] == alone).all()


def test_it_draws_what_the_network_of_the_paper_draws(engine: Engine, weights: dict[str, Tensor]) -> None:
    """The whole way, against the network as it was trained, with faces that are encoded anew for each frame."""
    state = engine.prepare(*somebody(), canvas(128))
    network = Wav2Lip().eval()
    network.load_state_dict({k: v.half().to(v.dtype) for k, v in weights.items()})
    mel = torch.from_numpy(windows(_sound(1.0).samples, range(3), 25))[:, None]
    seen = torch.from_numpy(state.face.network_input).expand(3, -1, -1, -1)
    with torch.inference_mode():
        wanted = network(mel, seen).permute(0, 2, 3, 1).numpy()
    (frames,) = engine.render([_part(state, range(3))])
    paster = Paster(state.still, state.face, Parameters().feather)
    for drawn, found in zip(wanted, frames, strict=True):
        assert np.abs(found.astype(int) - paster(drawn)).max() <= 1


def test_the_mouth_follows_the_sound_and_all_else_stays(engine: Engine) -> None:
    state = engine.prepare(*somebody(), canvas(128))
    (loud,) = engine.render([_part(state, range(4))])
    (quiet,) = engine.render([_part(state, range(4), AudioClip(np.zeros(0, np.float32), SAMPLE_RATE))])
    assert (quiet == quiet[0]).all(), "nobody speaks, nothing moves"
    assert (loud != quiet).any() and (loud[0] != loud[3]).any()
    below = (state.face.top + state.face.bottom) // 2
    assert (loud[:, :below] == state.still[:below]).all()


def test_the_background_of_a_picture_is_kept(engine: Engine) -> None:
    portrait, face = somebody(alpha=0)
    behind, _ = somebody(64)
    state = engine.prepare(portrait, face, canvas(128), behind)
    (frames,) = engine.render([_part(state, range(1))])
    assert (frames[0] == frame(portrait, face, canvas(128), behind).backdrop).all()


def test_a_state_says_what_it_takes(engine: Engine) -> None:
    """A small one is mostly the encoded face: 290 000 numbers."""
    state = engine.prepare(*somebody(), canvas(128))
    assert 1_100_000 < engine.size_bytes(state) < 1_600_000
    assert engine.size_bytes(engine.prepare(*somebody(), canvas(512))) - engine.size_bytes(state) > 690_000


@pytest.mark.parametrize(
    ("given", "field"),
    [({"feather": 0.9}, "parameters.feather"), ({"blink": True}, "parameters.blink")],
    ids=["value", "field"],
)
def test_parameters_are_closed(engine: Engine, given: dict[str, Any], field: str) -> None:
    state = engine.prepare(*somebody(), canvas(128))
    with pytest.raises(BadInput, match=field):
        engine.render([_part(state, range(1), parameters=json.dumps(given))])
    with pytest.raises(ValidationError):
        Parameters(**given)


def test_the_feather_is_a_parameter(engine: Engine) -> None:
    state = engine.prepare(*somebody(), canvas(128))
    (hard,), (soft,) = (
        engine.render([_part(state, range(1), parameters=json.dumps({"feather": feather}))]) for feather in (0.02, 0.25)
    )
    assert (hard != state.still).sum() > (soft != state.still).sum()


def test_it_does_not_start_before_the_licence_is_accepted(models_dir: Path) -> None:
    """And says what the licence is."""
    with pytest.raises(EngineNotInstalled, match="forbid any commercial use") as caught:
        _engine(models_dir, accept_license=None)
    with pytest.raises(EngineNotInstalled, match="not switched on"):
        weights(Options(models_dir=models_dir))
    assert caught.value.hint and "accept_license: research" in caught.value.hint
    with pytest.raises(ValidationError):
        _engine(models_dir, accept_license="commercial")


@pytest.mark.parametrize("name", [NAME, "../wav2lip_gan.pth", "/etc/passwd", "a" * 190, ".."])
def test_missing_weights_say_where_they_belong(tmp_path: Path, name: str) -> None:
    (tmp_path / "wav2lip_gan.pth").write_text("outside of wav2lip/")
    with pytest.raises(EngineNotInstalled, match="needs its weights") as caught:
        _engine(tmp_path, checkpoint=name)
    assert caught.value.hint and "models/wav2lip" in caught.value.hint
    assert str(tmp_path) not in f"{caught.value} {caught.value.hint}"  # clients of the server read it


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.pth"
    outside.write_text("secret")
    (tmp_path / "models" / "wav2lip").mkdir(parents=True)
    (tmp_path / "models" / "wav2lip" / NAME).symlink_to(outside)
    with pytest.raises(EngineNotInstalled, match="needs its weights"):
        weights(_options(tmp_path / "models"))


def test_the_digest_of_the_weights_follows_the_file(tmp_path: Path) -> None:
    """Where it lies and what it is called does not count."""
    home = tmp_path / "wav2lip"
    home.mkdir()
    (home / NAME).write_bytes(b"one")
    options = _options(tmp_path)
    first = weights(options)
    shutil.copy(home / NAME, home / "other.pth")
    assert weights(_options(tmp_path, checkpoint="other.pth")) == first
    (home / NAME).write_bytes(b"two")
    assert weights(options) != first
    with pytest.raises(EngineNotInstalled, match=r"no 'gone.pth'"):
        weights(_options(tmp_path, checkpoint="gone.pth"))


def test_only_what_changes_frames_is_in_keys() -> None:
    """Not where it runs, nor the names of files."""
    where = {"accept_license": "research", "models_dir": "/a", "checkpoint": "b.pth", "threads": 2, "batch_size": 3}
    plain = engines.node("avatar", "wav2lip", {})
    assert engines.node("avatar", "wav2lip", {**where, "device": "cpu"}) == plain
    assert engines.node("avatar", "wav2lip", {"dtype": "float32"}) != plain


def test_the_web_server_needs_no_torch(tmp_path: Path) -> None:
    """Options, parameters, key and digest come without the libraries that compute."""
    code = """
import sys
from pathlib import Path
from deployments.avatar.engines import wav2lip
from deployments.core import engines
engines.node("avatar", "wav2lip", {}), engines.parameters("avatar", "wav2lip", {"feather": 0.1})
wav2lip.weights(wav2lip.Options(models_dir=Path(sys.argv[1]), accept_license="research"))
assert not {"torch", "cv2"} & set(sys.modules), "heavy"
"""
    save(tmp_path, {})
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_bfloat16_is_close(models_dir: Path, engine: Engine) -> None:
    """As far as random weights can say: 20 dB and more of what is drawn."""
    low = _engine(models_dir, dtype="bfloat16", batch_size=2)
    part = _part(engine.prepare(*somebody(), canvas(128)), range(2))
    (wanted,) = engine.render([part])
    (found,) = low.render([replace(part, state=low.prepare(*somebody(), canvas(128)))])
    signal = (wanted.astype(float) - part.state.still) ** 2
    assert ((found.astype(float) - wanted) ** 2).sum() < signal.sum() / 100
