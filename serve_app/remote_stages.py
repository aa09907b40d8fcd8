"""The stages on Ray Serve, as the DAG calls them: handles of deployments that say themselves what they run."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.core import engines
from deployments.core.errors import BadInput
from deployments.core.keys import Node
from deployments.core.tasks import detached
from deployments.core.types import RenderRequest
from deployments.core.video import Filming, Video
from deployments.media import recording
from deployments.rvc.contract import model_id as converter_id
from deployments.tts.contract import model_id

from .admission import Budget
from .filming import Screen, finished
from .narrator import Turn
from .pipeline import Stages, Step
from .settings import Settings
from .sound import RecordedSound
from .used_uploads import open_sound

logger = logging.getLogger("ray.serve")

_COUNT_EVERY_S = 5
"""The autoscaler decides every few seconds. Only while renders come: asking takes 60 ms of CPU time."""


_HELD_S = 240.0
"""Seconds of recorded sound in memory at a time, 0.1 MB each, and once more in the object store. A recording that is
taken whole may be longer: then it is the only one."""


class RemoteStages:
    """For one Renderer."""

    def __init__(self, handles: Mapping[str, DeploymentHandle[Any]], settings: Settings, release: str) -> None:
        """
        Args:
            handles: of the stages, by their names in keys.
            settings: where weights are.
            release: what a stage must have been built with for its values to be kept.
        """
        self._handles = handles
        self._settings = settings
        self._release = release
        self._library = settings.voices
        self._models = settings.voice_models
        self._nodes: dict[str, Node] = {}
        self._uploads = settings.uploads
        self._held = Budget(_HELD_S)
        self._replicas = {"TTS": settings.performance.max_tts_workers, "LipSync": 1}
        self._counted_at = -float("inf")
        self._counting: asyncio.Task[None] | None = None

    def forget(self) -> None:
        """Asks the stages anew what they run."""
        self._nodes.clear()

    async def warm_up(self) -> None:
        """What the first render would wait for: the digests of the voices, and the stages' own words."""
        for voice_id in await asyncio.to_thread(self._library.installed):
            await asyncio.to_thread(self._library.weights, voice_id)
        for stage in self._handles.keys() - {"avatar"}:  # of which there may be none until somebody wants a video
            await self._node(stage)

    async def of(self, request: RenderRequest, admission: Turn, screen: Screen | None = None) -> tuple[Stages, bool]:
        """What runs the DAG for a request now, and whether all of it is of our release.

        Args:
            request: whose voice and portrait are chosen.
            admission: entered before anything is computed.
            screen: shown the parts of a video as they are made.

        Raises:
            UnknownVoice, VoiceNotInstalled, BadModel: of the voice, or of what it is converted with.
            BadInput: the engine of the video has been switched off since it was asked for.
            EngineNotInstalled: it has no weights any more.
        """
        if request.video:
            self._check_engine(request.video.engine)
        self._follow_autoscaler()
        stages, is_ours = await (self._reading(admission) if request.audio else self._speaking(request, admission))
        if request.video is None:
            return stages, is_ours
        engine, choices = request.video.engine, self._settings.avatar_choices
        avatar, is_too = await self._node("avatar")
        weights = await asyncio.to_thread(engines.weights, "avatar", engine, choices[engine])
        avatar = replace(avatar, weights=weights)
        filmed = Step(avatar, functools.partial(self._film, avatar, screen))
        return replace(stages, avatar=filmed), is_ours and is_too

    def _check_engine(self, name: str) -> None:
        """
        Raises:
            BadInput: a job may be older than the settings.
        """
        choices = self._settings.avatar_choices
        if name not in choices:
            raise BadInput(
                f"engine: the server does not have {name!r} any more.",
                hint=f"It has: {', '.join(choices)} (avatar.engines of the settings).",
            )

    def _film(self, node: Node, screen: Screen | None, *inputs: Any) -> asyncio.Future[Video]:
        return asyncio.ensure_future(self._watch(node, screen, *inputs))

    async def _watch(
        self, node: Node, screen: Screen | None, take: Any, filming: Filming, audio: str, captions: str
    ) -> Video:
        """The video, whose parts are shown while it is made."""
        take = await take if isinstance(take, asyncio.Future) else take
        handle = self._handles[node.stage].options(method_name="film", stream=True, multiplexed_model_id=filming.image)
        parts: Any = handle.remote(take, filming, audio, captions, node)
        try:
            return await finished(parts, screen)
        finally:
            parts.cancel()

    async def _reading(self, admission: Turn) -> tuple[Stages, bool]:
        lipsync, is_ours = await self._node("lipsync")
        stages = Stages(
            tts=None,
            lipsync=self._step(lipsync, method_name="read"),
            join=recording.node(self._settings.voice.media),
            admission=admission,
            in_flight=self._replicas["LipSync"] + 1,
            upload=self.upload,
            memory=self._held.take,
        )
        return stages, is_ours

    def upload(self, name: str) -> RecordedSound:
        """A recording. Blocking.

        Raises:
            UploadNotFound
        """
        return open_sound(self._uploads, name)

    async def _speaking(self, request: RenderRequest, admission: Turn) -> tuple[Stages, bool]:
        weights = await asyncio.to_thread(self._library.weights, request.voice_id)
        (tts, first), (lipsync, second) = await self._node("tts"), await self._node("lipsync")
        tts = replace(tts, weights=weights)
        spoken = {"method_name": "speak", "multiplexed_model_id": model_id(request.voice_id, weights)}
        rvc, third = await self._converter(request)
        stages = Stages(
            tts=self._step(tts, **spoken),
            rvc=rvc,
            lipsync=self._step(lipsync, method_name="read"),
            join=recording.node(self._settings.voice.media),
            admission=admission,
            in_flight=self._replicas["TTS"] + 1,
        )
        return stages, first and second and third

    async def _converter(self, request: RenderRequest) -> tuple[Step[Any] | None, bool]:
        conversion = request.conversion
        if conversion is None:
            return None, True
        node, is_ours = await self._node("rvc")
        weights = await asyncio.to_thread(self._models.weights, conversion)
        routed = {"multiplexed_model_id": converter_id(conversion, weights)} if conversion.model else {}
        return self._step(replace(node, weights=weights), method_name="convert", **routed), is_ours

    def _step(self, node: Node, **options: Any) -> Step[Any]:
        remote = self._handles[node.stage].options(**options).remote
        return Step(node, functools.partial(_call, remote, node))

    async def _node(self, stage: str) -> tuple[Node, bool]:
        """What a stage runs: it says so itself, once. True: it is of our release, as all of its kind will soon be."""
        if stage in self._nodes:
            return self._nodes[stage], True
        node, release = await self._handles[stage].node.remote()
        if release == self._release:
            self._nodes[stage] = node
        return node, release == self._release

    def _follow_autoscaler(self) -> None:
        if time.monotonic() - self._counted_at >= _COUNT_EVERY_S:
            self._counted_at = time.monotonic()
            self._counting = detached(self._count())  # beside the render, which takes the last count

    async def _count(self) -> None:
        """Follows the autoscaler: more sentences at work than replicas + 1 would only push other renders back."""
        app = serve.get_replica_context().app_name
        try:
            status = await asyncio.to_thread(serve.status)
            for stage in self._replicas:
                states = status.applications[app].deployments[stage].replica_states
                self._replicas[stage] = max(1, sum(count for state, count in states.items() if state == "RUNNING"))
        except (KeyError, RayError, RayServeException) as error:
            logger.warning("counting replicas failed: %s", error)


def _call(remote: Callable[..., Any], node: Node, *values: Any) -> Any:
    """Calls a stage that checks whether it runs what the key of its result says."""
    return remote(*values, node)
