"""The Serve class that hosts the DAG: one call for one render."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import os
import time
from collections.abc import AsyncGenerator, Coroutine, Iterator, Sequence
from dataclasses import replace
from typing import Any

from ray.exceptions import ObjectLostError, RayActorError, RayError
from ray.serve.exceptions import RayServeException, RequestCancelledError
from ray.serve.handle import DeploymentHandle

from deployments.cache.contract import LevelStats, Removed
from deployments.cache.deployment import RemoteShard
from deployments.cache.memo import Memo
from deployments.core import heap, keys
from deployments.core.errors import AvatarError, StageChanged, Unavailable
from deployments.core.keys import Node
from deployments.core.measures import STAGE_SECONDS, Snapshot
from deployments.core.types import CacheUse, RenderRequest, Take
from deployments.core.video import Video
from deployments.jobs.contract import Job, Report, Result, result_ref
from deployments.media.recording import Recording
from deployments.meter import meter

from .admission import Admission
from .filming import produce, video_key
from .narrator import Narrator, to_the_end
from .pipeline import Stages, whole_key
from .remote_stages import RemoteStages
from .result_store import ResultStore
from .results import RenderResult, describe, media_files
from .settings import Settings

logger = logging.getLogger("ray.serve")

_SWEEP_EVERY_S = 3600
"""Expired results and uploads are looked for this often."""
_ROLLOUT_S = 30
"""A render whose stages are being replaced by those of another release is tried again for this long."""
_AGAIN_AFTER_S = 0.5
_NICER = 5
"""Joining and encoding steps back behind who answers clients, and goes before the models (stage.py)."""


class Renderer:
    """Runs renders; keeps nothing between them."""

    def __init__(
        self,
        tts: DeploymentHandle[Any],
        rvc: DeploymentHandle[Any],
        lipsync: DeploymentHandle[Any],
        avatar: DeploymentHandle[Any],
        settings: Settings,
        release: str,
    ) -> None:
        os.nice(_NICER)
        self._release = release
        self._admission = Admission(settings.limits.max_concurrent_requests)
        self._remote = RemoteStages({"tts": tts, "rvc": rvc, "lipsync": lipsync, "avatar": avatar}, settings, release)
        self._settings = settings
        self._library = settings.voices
        self._results = ResultStore(settings.results_url, settings.storage.results_ttl_hours)
        self._uploads = settings.uploads
        self._shards = [RemoteShard(index) for index in range(settings.cache.shards if settings.cache.enabled else 0)]
        self._runs: dict[asyncio.Future[Result], str] = {}
        """What is at work -> the leader that asked for it."""
        self._background = [self._start(self._sweep()), self._start(self._warm_up())]
        heap.freeze()

    async def run(self, job: Job, leader: str) -> AsyncGenerator[Report, None]:
        """Speaks, joins and stores one render: says how far it is, and at last what it has made.

        The files are those of this attempt alone: whoever leads the jobs decides whether they become those of the job.
        When the caller gives up, what was written is removed.

        Args:
            job: under its attempt.
            leader: who asks: see `follow`.

        Raises:
            AvatarError: as the stages raise it.
        """
        narrator = Narrator(job, self._results)
        work = asyncio.ensure_future(self._render(job, narrator))
        self._runs[work] = leader
        work.add_done_callback(lambda _: narrator.end())
        try:
            async for report in narrator.reports():
                yield report
            yield await work
        except asyncio.CancelledError:
            if work.cancelled():  # by `follow`
                raise Unavailable("another process leads the jobs now") from None
            raise
        finally:
            del self._runs[work]
            work.cancel()
            await asyncio.wait([work])

    async def follow(self, leader: str) -> None:
        """Gives up what others have asked for: Serve does not, where whoever asked has died."""
        for work in [work for work, asked_by in self._runs.items() if asked_by != leader]:
            work.cancel()

    async def _render(self, job: Job, narrator: Narrator) -> Result:
        started = time.monotonic()
        ref = result_ref(job.job_id, job.attempt)
        try:
            language = await asyncio.to_thread(self._language, job.request)
            (take, video), memo, is_ours = await self._made(job.request, language, narrator)
            joining = time.monotonic()
            await narrator.finish(take)
            result = await asyncio.to_thread(
                describe, job.job_id, job.request, take, language, self._settings.engines, memo.tallies, video
            )
            result = replace(result, release=self._release if is_ours else "", ref=ref)
            recorded = self._recorded(job.request) if job.request.audio else None
            await to_the_end(self._results.save, result, media_files(result, take, recorded, video))
            meter().observe(STAGE_SECONDS, time.monotonic() - joining, stage="join")
        except BaseException:
            await to_the_end(self._results.discard, ref)
            raise
        _log(result, time.monotonic() - started)
        return Result(ref, result.duration_ms, result.cached)

    def _language(self, request: RenderRequest) -> str:
        """Of what is spoken, or was recorded; empty where nobody knows. Blocking."""
        return request.language if request.audio else self._library.find(request.voice_id).language

    def _recorded(self, request: RenderRequest) -> Iterator[bytes]:
        """The file of a recording, read as it is taken. Blocking."""
        yield from self._remote.upload(request.audio).chunks()

    async def cached(self, requests: Sequence[RenderRequest]) -> list[bool]:
        """Which of them need no computing."""
        memo = Memo(self._shards, "use")
        takes: dict[RenderRequest, tuple[Stages, str]] = {}
        for kind in {_kind_of(request) for request in requests}:
            takes |= await self._keys_of([request for request in requests if _kind_of(request) == kind])
        known = await memo.known({key for _, key in takes.values()})
        videos = {
            request: video_key(stages, request, known[key])
            for request, (stages, key) in takes.items()
            if request.video and key in known
        }
        shown = await memo.known(videos.values()) if videos else {}
        have = {request for request, (_, key) in takes.items() if key in known and not request.video}
        have |= {request for request, key in videos.items() if key in shown}
        return [request in have for request in requests]

    async def _keys_of(self, requests: Sequence[RenderRequest]) -> dict[RenderRequest, tuple[Stages, str]]:
        """Requests of a kind, and where all of each but its video would be in the cache; none while releases change."""
        try:
            language = (await asyncio.to_thread(self._language, requests[0])).split("_")[0]
            stages, is_ours = await self._remote.of(requests[0], self._admission.turn)
        except AvatarError:  # they will hear it when their turn comes
            return {}
        return {request: (stages, whole_key(stages, request, language)) for request in requests} if is_ours else {}

    async def load(self) -> tuple[int, int]:
        """Renders at work, and those that wait for their turn."""
        return self._admission.at_work, self._admission.waiting

    async def take_measures(self) -> Snapshot:
        """What it has counted since it was last asked."""
        return meter().take()

    async def _made(
        self, request: RenderRequest, language: str, narrator: Narrator
    ) -> tuple[tuple[Take, Video | None], Memo, bool]:
        """The DAG, tried again where a release or an object is lost on the way. True: by stages of our release."""
        use, give_up_at = request.cache, time.monotonic() + _ROLLOUT_S
        while True:
            try:
                return await self._try(request, language, use, narrator)
            except StageChanged as error:
                self._remote.forget()
                lost: Exception = error
            except ObjectLostError as error:
                # A lost object of the cache is a miss, noticed late: this time nothing is taken from there.
                use = "bypass" if use == "bypass" else "refresh"
                lost = error
            logger.warning("render again: %s", lost)
            if time.monotonic() > give_up_at:
                raise Unavailable(str(lost), hint="Try again in a few seconds.") from lost
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def _try(
        self, request: RenderRequest, language: str, use: CacheUse, narrator: Narrator
    ) -> tuple[tuple[Take, Video | None], Memo, bool]:
        """Once; Ray's own errors in the words of the tree."""
        try:
            stages, is_ours = await self._remote.of(request, narrator.turn(self._admission), narrator.footage)
            # What another release makes is given to the user, but not kept.
            memo = Memo(self._shards, use if is_ours else "bypass")
            recorder = Recording(
                self._settings.voice.media, request.timing, narrator.sentence, recorded=bool(request.audio)
            )
            narrator.listen_to(recorder)
            longest_s = self._settings.avatar.max_seconds
            made = await produce(stages, request, language.split("_")[0], recorder, memo, longest_s)
            return made, memo, is_ours
        except RequestCancelledError:
            raise
        except (RayActorError, RayServeException) as error:
            raise Unavailable(f"a stage was lost: {error}", hint="Try again in a few seconds.") from error

    async def _warm_up(self) -> None:
        """What the first render would wait for: the digests of the voices, and the stages' own words."""
        try:
            await self._remote.warm_up()
            for shard in self._shards:  # the first question to each level takes tens of milliseconds
                await shard.begin((), "warm up", peek=[keys.key(Node("warm up", "", "", ""), ())])
        except (OSError, AvatarError, RayError, RayServeException) as error:
            logger.warning("warming up: %s", error)

    async def check_health(self) -> None:
        """Serve asks now and then whether it answers."""

    async def cache_stats(self) -> tuple[LevelStats, LevelStats]:
        """Numbers of level 1 and level 2."""
        shards = await asyncio.gather(*(shard.stats() for shard in self._shards))
        first = sum((first for first, _ in shards), LevelStats(limit_bytes=0))
        # All shards write to one store: what is in it is the same for each, what they asked of it is not.
        second = functools.reduce(_same_store, (second for _, second in shards), LevelStats(limit_bytes=0))
        return first, second

    async def clear_cache(self) -> Removed:
        """Empties both levels."""
        return sum(await asyncio.gather(*(shard.clear() for shard in self._shards)), Removed())

    async def clean_cache(self) -> Removed:
        """Removes what has expired or is beyond the size limit."""
        return sum(await asyncio.gather(*(shard.cleanup() for shard in self._shards)), Removed())

    async def _sweep(self) -> None:
        while True:
            try:
                for kind, store in (("results", self._results), ("uploads", self._uploads)):
                    if removed := await asyncio.to_thread(store.sweep):
                        logger.info("removed %d expired %s", removed, kind)
            except OSError as error:
                logger.warning("looking for expired files failed: %s", error)
            await asyncio.sleep(_SWEEP_EVERY_S)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Outside the request's context: Serve would cancel it with the request."""
        return asyncio.get_event_loop().create_task(work, context=contextvars.Context())


def _log(result: RenderResult, seconds: float) -> None:
    logger.info(
        "render %s: %s%d characters, %.2f s of audio in %.0f ms%s",
        result.render_id,
        "a recording, " if result.request.audio else "",
        len(result.text),
        result.duration_ms / 1000,
        seconds * 1000,
        ", all of it cached" if result.cached else "",
    )


def _kind_of(request: RenderRequest) -> object:
    """All that the stages of a render depend on; recordings have the same, whatever is in them."""
    return request.voice_id, request.conversion, bool(request.audio), request.video and request.video.engine


def _same_store(one: LevelStats, other: LevelStats) -> LevelStats:
    return replace(one + other, entries=other.entries, size_bytes=other.size_bytes, limit_bytes=other.limit_bytes)
