"""Wires the system: every .options() and .bind() is here.

text -> Ingress -> Jobs -> Renderer -> TTS -> RVC -> LipSync -> Avatar, and recording -> … -> Renderer -> LipSync ->
Avatar; the shards of the cache belong to the Renderer. `serve deploy` and `avatar-serve serve` both start from `build`.
"""

# No `from __future__ import annotations` here: Ray reads the builder's annotation to validate `args:`.

import functools
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve import Application, Deployment
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import LoggingConfig

from deployments.avatar.deployment import Avatar
from deployments.cache.deployment import shard_configs
from deployments.jobs.deployment import Jobs
from deployments.jobs.stores import open_store
from deployments.lipsync.deployment import LipSync
from deployments.rvc.deployment import RVC
from deployments.tts.deployment import TTS

from .ingress import Ingress
from .release import release
from .renderer import Renderer
from .result_store import ResultStore
from .sections import Autoscaling
from .settings import Settings
from .used_uploads import open_picture, open_sound

DEPLOYMENTS = (TTS, RVC, LipSync, Avatar, Renderer, Jobs, Ingress)
"""All there are; a config file may set options for these."""
INGRESS_MAX_ONGOING = 1000
"""Waiting renders, downloads and sockets each hold one; the default of 5 would starve the server."""
LIPSYNC_MAX_ONGOING = 32
"""Spoken sentences take milliseconds beside the pieces of recordings, which wait in the replica for their turn."""
AVATAR_MAX_ONGOING = 3
"""Videos that a replica makes at a time, frame by frame in turn: nobody waits for the end of a long one."""
LEADER = {
    "num_replicas": 1,
    "max_ongoing_requests": 10_000,  # each is over in milliseconds, but for one feed for each Ingress replica
    "max_surge_percent": 100,  # the new one takes over from the old one: nobody waits for its start
    "graceful_shutdown_timeout_s": 5,  # what it has not finished the next one finishes; the feeds never end
}
"""One replica leads the jobs."""
RENDERER_MAX_ONGOING = 1000
"""It counts what it computes itself (limits.max_concurrent_requests): what is cached must not wait behind that."""


def build(settings: Settings) -> Application:
    """The application as its settings say; `deployments:` of a config file comes on top."""
    return compose(settings, {})


def compose(settings: Settings, overrides: Mapping[str, Mapping[str, Any]]) -> Application:
    """The application with further deployment options.

    Args:
        settings: the `args:` of a config file.
        overrides: deployment name -> its options under `deployments:`. `serve deploy` applies them by itself.
    """
    if overrides.get("Jobs", {}).get("num_replicas", 1) != 1 or "autoscaling_config" in overrides.get("Jobs", {}):
        raise ValueError("Jobs has one replica: two would take the lead from each other in turn")
    logs = LoggingConfig(log_level=settings.monitoring.log_level, encoding=settings.monitoring.log_format)

    def configured(stage: type, **options: Any) -> Deployment:
        chosen = {"logging_config": logs, **options, **overrides.get(stage.__name__, {})}
        return serve.deployment(**chosen)(stage)

    timeouts, voice, built = settings.timeouts, settings.voice, release(settings)
    performance = settings.performance
    tts = configured(
        TTS,
        max_ongoing_requests=2,
        autoscaling_config=_autoscaling(performance.tts_autoscaling, performance.max_tts_workers),
    ).bind(voice.tts.engine, settings.tts_options, built, timeouts.tts_generation)
    lipsync = configured(LipSync, max_ongoing_requests=LIPSYNC_MAX_ONGOING).bind(
        voice.lipsync.engines, built, timeouts.lipsync_generation
    )
    rvc = configured(RVC, max_ongoing_requests=2 * voice.rvc.batch_size).bind(
        *(settings.rvc_choices, settings.models_folder, voice.rvc.memory_mb, voice.rvc.batch_size),
        *(voice.rvc.batch_wait_s, built, timeouts.rvc_conversion),
    )
    avatar = configured(
        Avatar,
        max_ongoing_requests=max(AVATAR_MAX_ONGOING, 2 * settings.avatar.batch_size),
        autoscaling_config=_autoscaling(performance.avatar_autoscaling, performance.max_avatar_workers),
    ).bind(
        *(settings.avatar_choices, functools.partial(open_picture, settings.uploads)),
        functools.partial(open_sound, settings.uploads),
        *(settings.avatar.memory_mb, settings.avatar.batch_size, settings.avatar.batch_wait_s),
        *(built, timeouts.avatar_generation),
    )
    renderer = configured(
        Renderer,
        max_ongoing_requests=RENDERER_MAX_ONGOING,
        deployment_actors=shard_configs(settings.cache, settings.cache_url),
    ).bind(tts, rvc, lipsync, avatar, settings, built)
    results = ResultStore(settings.results_url, settings.storage.results_ttl_hours)
    jobs = configured(Jobs, **LEADER).bind(
        renderer,
        functools.partial(open_store, settings.jobs, settings.storage.data_dir, settings.server_name),
        results.publish,
        settings.jobs,
        settings.job_rules,
        [stage.__name__ for stage in (TTS, RVC, LipSync, Avatar, Renderer, Ingress)],
    )
    return configured(Ingress, max_ongoing_requests=INGRESS_MAX_ONGOING).bind(jobs, renderer, settings, built)


def _autoscaling(limits: Autoscaling, max_replicas: int) -> AutoscalingConfig:
    return AutoscalingConfig(
        min_replicas=min(limits.min_replicas, max_replicas),
        max_replicas=max_replicas,
        target_ongoing_requests=limits.target_ongoing_requests,
        upscale_delay_s=limits.upscale_delay_s,
        downscale_delay_s=limits.downscale_delay_s,
    )
