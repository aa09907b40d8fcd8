"""RMVPE's shape and arithmetic; its real weights are not on this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deployments.core.errors import BadModel
from deployments.rvc.engines.rvc.rmvpe import Rmvpe, RmvpeNetwork, decode, mel_filters
from tests.deployments.rvc.models import speech


def test_the_network_has_the_size_and_the_names_of_the_checkpoint() -> None:
    """90.4 million parameters, as upstream's E2E(4, 1, (2, 2))."""
    with torch.device("meta"):
        state = RmvpeNetwork().state_dict()
    assert round(sum(t.numel() for n, t in state.items() if "running" not in n and "tracked" not in n) / 1e5) == 904
    expected = {
        "unet.encoder.bn.weight": (1,),
        "unet.encoder.layers.0.conv.0.conv.0.weight": (16, 1, 3, 3),
        "unet.encoder.layers.4.conv.0.shortcut.bias": (256,),
        "unet.intermediate.layers.3.conv.3.conv.4.running_var": (512,),
        "unet.decoder.layers.0.conv1.0.weight": (512, 256, 3, 3),
        "unet.decoder.layers.4.conv2.0.conv.0.weight": (16, 32, 3, 3),
        "cnn.weight": (3, 16, 3, 3),
        "fc.0.gru.weight_ih_l0_reverse": (768, 384),
        "fc.1.weight": (360, 512),
    }
    assert {name: tuple(state[name].shape) for name in expected} == expected


def test_a_checkpoint_is_read_and_gives_a_value_per_frame(tmp_path: Path) -> None:
    """In half precision too, as it is published."""
    torch.manual_seed(0)
    state = RmvpeNetwork().state_dict()
    torch.save({name: t.half() if t.is_floating_point() else t for name, t in state.items()}, tmp_path / "rmvpe.pt")
    sound = speech(0.5).astype(np.float64)
    f0 = Rmvpe(tmp_path / "rmvpe.pt", torch.device("cpu"))(sound)
    assert f0.shape == (50,) and np.isfinite(f0).all() and (f0 >= 0).all()


def test_another_file_is_refused(tmp_path: Path) -> None:
    """By its name."""
    for content in ({"weight": torch.zeros(3)}, [1, 2], {}):
        torch.save(content, tmp_path / "rmvpe.pt")
        with pytest.raises(BadModel, match=r"rmvpe\.pt"):
            Rmvpe(tmp_path / "rmvpe.pt", torch.device("cpu"))


def test_salience_becomes_hertz() -> None:
    """The mean of the classes around the best one; 220 Hz lies between two."""
    cents = 1200 * np.log2(220 / 10)
    classes = 1997.3794084376191 + 20 * np.arange(360)
    salience = np.exp(-(((classes - cents) / 25) ** 2)).astype(np.float32)[None].repeat(3, axis=0)
    salience[1] *= 0.02  # below the threshold
    salience[2] = 0
    salience[2, 359] = 1  # at the edge
    hertz = decode(salience)
    assert hertz[0] == pytest.approx(220, abs=0.05)
    assert hertz[1] == 0
    assert hertz[2] == pytest.approx(10 * 2 ** (classes[359] / 1200))


def test_mel_filters_are_triangles_of_equal_area() -> None:
    """Above the lowest ones, which are narrower than a bin: an area of 1 in hertz."""
    filters = mel_filters()
    assert filters.shape == (128, 513) and (filters >= 0).all()
    areas = filters.sum(axis=1) * (8000 / 512)
    np.testing.assert_allclose(areas[40:], 1, atol=0.12)
    peaks = filters.argmax(axis=1) * 8000 / 512
    assert (np.diff(peaks) >= 0).all() and 30 <= peaks[0] < 60 and 7500 < peaks[-1] < 8000
