"""All that the API sees of the system. Ray-free: what does the work is handed in."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import replace

from deployments.core import keys
from deployments.core.errors import Forbidden, NotFound, Unavailable
from deployments.core.measures import AUDIO_SECONDS, RENDERS, Meter
from deployments.core.types import Priority, RenderRequest
from deployments.jobs.client import Client
from deployments.jobs.contract import Job, JobOptions, State, Submission, unknown_job
from deployments.jobs.line import View, raise_if_failed
from deployments.jobs.webhooks import check_callback
from deployments.tts.voices import VoiceInfo

from .answers import Answers
from .cast import Cast, CharacterInfo
from .casting import Casting
from .flights import Flight, Flights
from .intake import Intake
from .listener import parts_of
from .operations import CacheControl, Cluster
from .order import CLASSES, Order
from .result_store import ResultStore
from .results import RenderResult, new_render_id

_JOB_ID = re.compile(r"[0-9a-f]{32}")


class Studio:
    """Speaks texts and reads recordings, at once or as jobs, and knows the voices and the results."""

    def __init__(
        self,
        jobs: Client,
        results: ResultStore,
        cast: Cast,
        timeout_s: float,
        answers: Answers | None,
        cache: CacheControl,
        cluster: Cluster,
        options: JobOptions,
        meter: Meter,
        intake: Intake,
        release: str = "",
    ) -> None:
        """
        Args:
            jobs: has everything done.
            results: where the files of finished jobs are.
            cast: the voices of this machine.
            timeout_s: a client waits for a render so many seconds at most.
            answers: those given before; None when the cache is off.
            cache: the levels behind.
            cluster: what runs where.
            options: of the jobs room.
            meter: counts the renders that no job stands behind.
            intake: takes uploads in.
            release: that of this process; an answer of another is not given again.
        """
        self._timeout_s = timeout_s
        self._answers = answers
        self._release = release
        self._options = options
        self._meter = meter
        self._flights = Flights()
        self._casting = Casting(cast)
        self.jobs = jobs
        self.results = results
        self.cast = cast
        self.cache = cache
        self.cluster = cluster
        self.intake = intake
        self.caches = answers is not None
        """Whether anything is cached."""

    async def speak(self, request: RenderRequest, order: Order) -> RenderResult:
        """Renders and waits for it. When nobody waits any more because all have left, the render is cancelled.

        Args:
            request: an empty voice_id means the default voice.
            order: how.

        Raises:
            UnknownVoice, VoiceNotInstalled, UploadNotFound: before anything is started.
            StillRunning: the job goes on, but this took too long.
            JobFailed: as the job did.
            AvatarError: what is wrong with the order.
        """
        await self._check(order)
        asked = _fingerprint(request, order)
        request, spoken = await self._casting.identify(request)
        alone = order.idempotency_key or order.callback_url or request.cache == "bypass"
        if self._answers is None or alone:
            key = new_render_id()
            return (await self._share(key, request, order, asked))[0]
        key = f"{spoken} {request.timing} {request.viseme_set}"
        known = self._answers.recall(key) if request.cache == "use" else None
        if known and (again := await self._again(known)):
            return self._counted(again)
        flight = f"{order.owner} {order.priority} {request.cache} {key}"
        answer, is_ours = await self._share(flight, request, order, asked, key)
        return answer if is_ours else self._counted(await self._again(answer) or answer)

    async def _share(
        self, flight: str, request: RenderRequest, order: Order, asked: str, key: str = ""
    ) -> tuple[RenderResult, bool]:
        async def render(flight: Flight) -> RenderResult:
            submission = self._submission(request, order, asked, "high", flight.render_id)
            job = await self.jobs.finish(submission, lambda accepted: setattr(flight, "render_id", accepted.job_id))
            raise_if_failed(job)
            answer = replace(await self._result(job), render_id=job.job_id)
            if key:
                await self._keep(key, request, answer)
            return answer

        return await self._flights.share(flight, new_render_id, render, self._timeout_s)

    async def _result(self, job: Job) -> RenderResult:
        """What the attempt that counts has made."""
        return await asyncio.to_thread(self.results.read, job.result.ref if job.result else job.job_id)

    async def _keep(self, key: str, request: RenderRequest, answer: RenderResult) -> None:
        if self._answers is None:
            return
        if request.cache == "refresh":
            with contextlib.suppress(Unavailable):  # the render itself went well
                await self.cache.forget(key.partition(" ")[0])  # whatever the form in which it was asked for
        if answer.release == self._release:
            self._answers.keep(key, answer)

    async def submit(self, request: RenderRequest, order: Order) -> Job:
        """Hands a render in as a job; it is written down when this returns.

        Raises:
            AvatarError: as `speak`, before anything is started; or why the job is not taken in.
        """
        await self._check(order)
        asked = _fingerprint(request, order)
        request = await self._casting.choose(request)
        return await self.jobs.submit(self._submission(request, order, asked, "normal", new_render_id()))

    async def narrate(self, request: RenderRequest, order: Order) -> AsyncGenerator[bytes, None]:
        """The bytes of an audio file in request.speech_format, as they are made. Left early, the job is cancelled.

        Raises:
            TimedOut: no part came in time.
            Unavailable: something died after the first part. What another attempt makes is another file.
            AvatarError: as `speak`.
        """
        await self._check(order)
        asked = _fingerprint(request, order)
        request = await self._casting.choose(request)
        submission = self._submission(request, order, asked, "high", new_render_id())
        ended = False
        try:
            job = await self.jobs.submit(submission)
            async with contextlib.aclosing(parts_of("speech", self.jobs, self.results, job, self._timeout_s)) as parts:
                async for part in parts:
                    yield part
            ended = True
        finally:
            if not ended and not order.idempotency_key:  # with one, whoever left may come back
                self.jobs.abandon(submission.job)

    async def watch(self, job_id: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a job's video, as they are made: fragmented MP4. Who has the ID may watch.

        Raises:
            NotFound: unknown, or without a video.
            AvatarError: as the job failed.
        """
        job = (await self.job(job_id, Order())).job
        if job.request.video is None:
            raise NotFound(f"Job {job_id} has no video.", hint="POST /generate/async makes one.")
        async with contextlib.aclosing(parts_of("video", self.jobs, self.results, job, self._timeout_s)) as parts:
            async for part in parts:
                yield part

    async def look(self, job_id: str, order: Order) -> tuple[View | None, RenderResult | None]:
        """A job, and its result once it is completed. An answer that was given again has no job.

        Raises:
            NotFound: unknown, expired, or somebody else's.
        """
        try:
            view = await self.job(job_id, order)
        except NotFound:
            if not _JOB_ID.fullmatch(job_id):
                raise
            return None, await asyncio.to_thread(self._answered, job_id, order)
        if view.job.state != "completed":
            return view, None
        return view, await self._result(view.job)

    def _answered(self, job_id: str, order: Order) -> RenderResult:
        """An answer that was given again. What a job has made is for its owner to ask for."""
        try:
            result = self.results.read(job_id)
        except NotFound:
            raise unknown_job(job_id) from None
        if result.render_id == job_id and not order.sees_all:
            raise unknown_job(job_id)
        return replace(result, render_id=job_id, cached=True, stages={})

    async def job(self, job_id: str, order: Order) -> View:
        """A job that the order may see.

        Raises:
            NotFound
        """
        if _JOB_ID.fullmatch(job_id):
            view = (await self.jobs.get([job_id]))[0]
            if order.visible in (None, view.job.owner):
                return view
        raise unknown_job(job_id)

    async def list_jobs(
        self, order: Order, state: State | None, limit: int, cursor: str | None
    ) -> tuple[list[View], str | None]:
        """Jobs that the order may see, newest first, and the cursor of the next part."""
        return await self.jobs.page(order.visible, state, limit, cursor)

    async def cancel(self, job_id: str, order: Order) -> Job:
        """Ends a job.

        Raises:
            NotFound
            Conflict: it has ended.
        """
        await self.job(job_id, order)
        return await self.jobs.cancel(job_id, order.visible)

    async def _check(self, order: Order) -> None:
        if order.priority and CLASSES[order.priority] > CLASSES[order.highest]:
            allowed = [name for name, rank in CLASSES.items() if rank <= CLASSES[order.highest]]
            raise Forbidden(
                f"priority: this key may not ask for {order.priority}.", hint=f"Allowed: {', '.join(allowed)}."
            )
        if order.callback_url is not None:
            check_callback(order.callback_url, self._options)
        await self.jobs.charge(order.owner, order.requests_per_minute)

    def _submission(
        self, request: RenderRequest, order: Order, asked: str, otherwise: Priority, job_id: str
    ) -> Submission:
        lowest_first = sorted((otherwise, order.highest), key=lambda name: CLASSES[name])
        job = Job(
            job_id=job_id,
            owner=order.owner,
            request=request,
            priority=order.priority or lowest_first[0],
            fingerprint=asked,
            created_s=time.time(),
            idempotency_key=order.idempotency_key,
            callback_url=order.callback_url,
            request_id=order.request_id,
            told=order.callback_url is None,
        )
        return Submission(job, order.concurrent_jobs)

    async def _again(self, known: RenderResult) -> RenderResult | None:
        """A given answer under a render ID of its own; None when its media are gone."""
        render_id = new_render_id()
        try:
            await asyncio.to_thread(self.results.link, render_id, known.folder)
        except NotFound:  # it will be replaced by the answer to come
            return None
        return replace(known, render_id=render_id, cached=True, stages={})

    def _counted(self, answer: RenderResult) -> RenderResult:
        """A render without a job of its own."""
        self._meter.add(RENDERS, outcome="completed")
        self._meter.add(AUDIO_SECONDS, answer.duration_ms / 1000)
        return answer

    async def voices(self) -> tuple[list[CharacterInfo], list[VoiceInfo]]:
        """The characters; the installed voices, then the rest of the catalogue."""
        return await asyncio.to_thread(lambda: (self.cast.people(), self.cast.voices()))


def _fingerprint(asked: RenderRequest, order: Order) -> str:
    """Of what the client sent: what becomes of it changes with the files of a character, and a retry is none the less
    the same request."""
    return keys.digest((asked, order.priority, order.callback_url))
