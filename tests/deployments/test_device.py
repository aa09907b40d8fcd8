"""Where networks run."""

from __future__ import annotations

import pytest
import torch

from deployments.core.errors import BadInput
from deployments.device import choose_device, choose_dtype, tune


def test_auto_finds_a_device_and_a_precision() -> None:
    """What this machine has; by name always what is named."""
    device = choose_device("auto")
    assert device.type == ("cuda" if torch.cuda.is_available() else device.type)
    assert choose_dtype("auto", torch.device("cpu")) in (torch.float32, torch.bfloat16)
    assert choose_dtype("auto", torch.device("cuda")) == torch.float16
    assert choose_dtype("float32", torch.device("cuda")) == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has cuda")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(BadInput, match="no cuda"):
        choose_device("cuda")


def test_who_asks_for_float32_gets_it() -> None:
    tune(torch.bfloat16, one_shape=True)
    assert torch.backends.cuda.matmul.allow_tf32 and torch.backends.cudnn.benchmark
    tune(torch.float32, one_shape=False)
    assert not torch.backends.cuda.matmul.allow_tf32 and not torch.backends.cudnn.benchmark
