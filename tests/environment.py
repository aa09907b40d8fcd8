"""What must be in the environment before Ray is imported: imported first by conftest.py."""

from __future__ import annotations

import os
import sys
import tempfile

HOME = tempfile.mkdtemp(prefix="avatar-home-")
"""Ray, Chromium and fontconfig write below HOME: never into the real one."""

os.environ.update(
    HOME=HOME,
    PATH=f"{sys.prefix}/rhubarb{os.pathsep}{os.environ['PATH']}",  # see rhubarb_setup.py
    RAY_AUTH_MODE="disabled",  # a token would be written to HOME and asked for by every worker
    RAY_USAGE_STATS_ENABLED="0",
    RAY_task_events_report_interval_ms="0",  # as the supervisor sets it
    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH="serve_app.serve_headers:middlewares",  # so does this
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",  # Ray's future default: says nothing on machines without a GPU
)
for name in ("HOST", "PORT", "DATA_DIR", "PIPER_MODEL", "LOG_LEVEL", "MAX_TTS_WORKERS", "VALKEY_HOST"):
    os.environ.pop(name, None)  # the developer's own server must not colour the tests
