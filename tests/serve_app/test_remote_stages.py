"""What runs the DAG for a request, as far as that can be told without Ray."""

from __future__ import annotations

import pytest

from deployments.core.errors import BadInput
from deployments.core.types import RenderRequest
from deployments.core.video import Filming
from serve_app.admission import Admission
from serve_app.remote_stages import RemoteStages
from serve_app.settings import Settings


async def test_a_job_that_is_older_than_the_settings_says_what_it_misses() -> None:
    request = RenderRequest("Hello.", "en_US-joe-medium", video=Filming("ada", engine="wav2lip"))
    with pytest.raises(BadInput, match=r"^engine: .* 'wav2lip' any more"):
        await RemoteStages({}, Settings(), "").of(request, Admission(1).turn)
