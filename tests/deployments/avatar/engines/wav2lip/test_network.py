"""The network alone; against references in test_parity."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from deployments.avatar.engines.wav2lip.network import Wav2Lip
from tests.shared import SHARED, shared

from .models import keys


@pytest.fixture
def network(weights: dict[str, Tensor]) -> Wav2Lip:
    """Of its own: folding changes it."""
    network = Wav2Lip().eval()
    network.load_state_dict({name: tensor.clone() for name, tensor in weights.items()})
    return network.requires_grad_(False)


def _inputs(count: int) -> tuple[Tensor, Tensor]:
    made = torch.Generator().manual_seed(0)
    return torch.rand(count, 1, 80, 16, generator=made) * 8 - 4, torch.rand(count, 6, 96, 96, generator=made)


def test_names_shapes_and_order_are_the_published_ones() -> None:
    """And what the tests fill it with follows the references' rule."""
    published = json.loads(shared(SHARED / "data" / "wav2lip" / "keys.json").read_text(encoding="utf-8"))
    assert keys() == [(name, tuple(shape), kind) for name, shape, _, kind in published]


def test_size() -> None:
    with torch.device("meta"):
        network = Wav2Lip()
    assert sum(tensor.numel() for tensor in network.parameters()) == 36_298_035
    assert len(network.state_dict()) == 352


def test_folded_batch_norms_are_the_same_function(network: Wav2Lip) -> None:
    mel, faces = _inputs(2)
    before = network(mel, faces)
    after = network.folded()(mel, faces)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(after, before, atol=2e-5, rtol=0)
    assert before.std() > 0.1, "the weights do something"


def test_a_face_is_encoded_once_for_all_sounds(network: Wav2Lip) -> None:
    """Exactly what it is when every frame encodes it again."""
    mel, faces = _inputs(3)
    encoded = network.encode(faces[:1])
    together = network.decode(mel, [level.expand(3, -1, -1, -1) for level in encoded])
    torch.testing.assert_close(together, network(mel, faces[:1].expand(3, -1, -1, -1)), atol=1e-5, rtol=0)
    assert (together[0] - together[1]).abs().max() > 1e-3, "the sound counts"
