"""The caller's side of the cache over a real shelf, in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from deployments.cache.contract import LifeTimes
from deployments.cache.made import Made
from deployments.cache.memo import Memo
from deployments.cache.shelf import Shelf
from deployments.core import keys
from deployments.core.errors import BadInput, SynthesisFailed
from deployments.core.keys import Node
from deployments.core.types import AudioClip

SPEAK = Node("tts", "actor", "1", "{}")
FOLLOW = Node("lipsync", "actor", "1", "{}")


@dataclass
class Actor:
    """Never speaks the same text twice alike, as a real voice."""

    calls: list[str] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    fails: list[Exception] = field(default_factory=list)

    def speak(self, text: str) -> asyncio.Future[AudioClip]:
        return asyncio.ensure_future(self._speak(text))

    async def _speak(self, text: str) -> AudioClip:
        self.calls.append(text)
        self.begun.set()
        take = len(self.calls)
        await self.go.wait()
        if self.fails:
            raise self.fails.pop(0)
        return AudioClip(np.full(take, 0.1, np.float32), 8000)

    def follow(self, speech: asyncio.Future[AudioClip] | AudioClip) -> asyncio.Future[tuple[int, int]]:
        return asyncio.ensure_future(self._follow(speech))

    async def _follow(self, speech: asyncio.Future[AudioClip] | AudioClip) -> tuple[int, int]:
        clip = speech if isinstance(speech, AudioClip) else await speech
        self.calls.append("follow")
        return len(clip.samples), len(self.calls)


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    shelf = Shelf(1_000_000, LifeTimes())
    yield shelf
    await shelf.close()


@pytest.fixture
def actor() -> Actor:
    actor = Actor()
    actor.go.set()
    return actor


async def chain(memo: Memo, actor: Actor, text: str = "Hello.") -> tuple[int, int]:
    """Speech and what follows from it; the samples of both must be of one take."""
    speech: Made[AudioClip] = await memo.run(SPEAK, actor.speak, text)
    track = await memo.run(FOLLOW, actor.follow, speech)
    samples, call = await track
    assert samples == len((await speech).samples)
    await memo.settled()
    return samples, call


async def test_the_second_time_nothing_is_made(shelf: Shelf, actor: Actor) -> None:
    first = await chain(Memo([shelf], "use"), actor)
    memo = Memo([shelf], "use")
    assert await chain(memo, actor) == first and actor.calls == ["Hello.", "follow"]
    assert {stage: (tally.calls, tally.cached) for stage, tally in memo.tallies.items()} == {
        "tts": (1, 1),
        "lipsync": (1, 1),
    }


async def test_what_follows_from_lost_speech_is_made_anew(shelf: Shelf, actor: Actor) -> None:
    await chain(Memo([shelf], "use"), actor)
    await shelf.forget(keys.key(SPEAK, [keys.digest("Hello.")]), "test")
    samples, _ = await chain(Memo([shelf], "use"), actor)
    assert actor.calls == ["Hello.", "follow", "Hello.", "follow"] and samples == 3


@pytest.mark.parametrize("use", ["bypass", "refresh"])
async def test_all_is_made_when_asked_for(shelf: Shelf, actor: Actor, use: str) -> None:
    first = await chain(Memo([shelf], "use"), actor)
    other = await chain(Memo([shelf], use), actor)  # type: ignore[arg-type]
    assert other != first
    assert await chain(Memo([shelf], "use"), actor) == (other if use == "refresh" else first)


async def test_without_shards_all_is_made(actor: Actor) -> None:
    assert await chain(Memo([], "use"), actor) != await chain(Memo([], "use"), actor)


async def test_equal_work_at_the_same_time_is_done_once(shelf: Shelf, actor: Actor) -> None:
    actor.go.clear()
    asks = [asyncio.create_task(chain(Memo([shelf], "use"), actor)) for _ in range(200)]
    await actor.begun.wait()
    actor.go.set()
    assert len(set(await asyncio.gather(*asks))) == 1
    assert actor.calls == ["Hello.", "follow"]


async def test_the_same_sentence_twice_in_a_render(shelf: Shelf, actor: Actor) -> None:
    memo = Memo([shelf], "use")
    first, second = await asyncio.gather(chain(memo, actor), chain(memo, actor))
    assert first == second and actor.calls == ["Hello.", "follow"]


async def test_followers_try_for_themselves_when_the_leader_fails(shelf: Shelf, actor: Actor) -> None:
    actor.go.clear()
    actor.fails = [SynthesisFailed("a hiccup")]
    asks = [asyncio.create_task(chain(Memo([shelf], "use"), actor)) for _ in range(3)]
    await actor.begun.wait()
    actor.go.set()
    failed, *rest = await asyncio.gather(*asks, return_exceptions=True)
    assert isinstance(failed, SynthesisFailed) and len(set(map(str, rest))) == 1
    assert actor.calls.count("Hello.") == 2


async def test_followers_see_what_is_wrong_with_the_input(shelf: Shelf, actor: Actor) -> None:
    actor.go.clear()
    actor.fails = [BadInput("no such speaker")]
    asks = [asyncio.create_task(chain(Memo([shelf], "use"), actor)) for _ in range(3)]
    await actor.begun.wait()
    await asyncio.sleep(0.01)  # for the others to wait
    actor.go.set()
    failures = await asyncio.gather(*asks, return_exceptions=True)
    assert [str(failure) for failure in failures] == ["no such speaker"] * 3 and actor.calls == ["Hello."]


async def test_a_cancelled_leader_is_followed_by_another(shelf: Shelf, actor: Actor) -> None:
    actor.go.clear()
    leader_memo = Memo([shelf], "use")
    leading: Made[AudioClip] = await leader_memo.run(SPEAK, actor.speak, "Hello.")
    follower = asyncio.create_task(chain(Memo([shelf], "use"), actor))
    await asyncio.sleep(0.01)
    leading.cancel()
    await leader_memo.settled()
    actor.go.set()
    await follower
    assert actor.calls == ["Hello.", "Hello.", "follow"]


async def test_a_follower_that_leaves_leaves_nothing(shelf: Shelf, actor: Actor) -> None:
    actor.go.clear()
    leader = asyncio.create_task(chain(Memo([shelf], "use"), actor))
    await actor.begun.wait()
    memo = Memo([shelf], "use")
    follower = asyncio.create_task(memo.run(SPEAK, actor.speak, "Hello."))
    await asyncio.sleep(0.01)
    follower.cancel()
    with pytest.raises(asyncio.CancelledError):
        await follower
    await memo.settled()
    actor.go.set()
    await leader
    assert actor.calls == ["Hello.", "follow"] and len(shelf._flights) == 0


async def test_a_peek_answers_for_many_at_once(shelf: Shelf, actor: Actor) -> None:
    await chain(Memo([shelf], "use"), actor, "One.")
    memo = Memo([shelf], "use")
    assert await memo.peek(SPEAK, ["One.", "Two."]) == {"One."}
    assert len(shelf._flights) == 0
    await chain(memo, actor, "One.")
    assert actor.calls == ["One.", "follow"]


async def test_several_shards_share_the_keys(actor: Actor) -> None:
    shelves = [Shelf(1_000_000, LifeTimes()) for _ in range(3)]
    texts = [f"Text {number}." for number in range(20)]
    for text in texts:
        await chain(Memo(shelves, "use"), actor, text)
    made = len(actor.calls)
    memo = Memo(shelves, "use")
    assert await memo.peek(SPEAK, texts) == set(texts)
    for text in texts:
        await chain(memo, actor, text)
    assert len(actor.calls) == made
    for shelf in shelves:
        assert (await shelf.stats())[0].entries > 0
        await shelf.close()


def holding(references: list[asyncio.Future[object]]) -> Shelf:
    """A shelf whose values are behind references, as in the object store."""

    def hold(value: object, _size_bytes: int) -> list[asyncio.Future[object]]:
        references.append(loop.create_future())
        loop.call_soon_threadsafe(references[-1].set_result, value)
        return [references[-1]]

    loop = asyncio.get_running_loop()
    return Shelf(1_000_000, LifeTimes(), hold=hold)


async def test_the_next_stage_gets_the_reference(actor: Actor) -> None:
    references: list[asyncio.Future[object]] = []
    shelf = holding(references)
    await chain(Memo([shelf], "use"), actor)
    speech: Made[AudioClip] = await Memo([shelf], "use").run(SPEAK, actor.speak, "Hello.")
    assert speech.handle is references[0] and isinstance(await speech, AudioClip) and not speech.is_new
    await shelf.close()


async def test_a_lost_object_is_a_miss_that_is_counted(actor: Actor) -> None:
    references: list[asyncio.Future[object]] = []
    shelf = holding(references)
    await chain(Memo([shelf], "use"), actor)
    lost = asyncio.get_running_loop().create_future()
    lost.set_exception(ConnectionError("its owner died"))
    found = shelf._lru.get(keys.key(SPEAK, [keys.digest("Hello.")]))
    assert found is not None
    found.held[0] = lost
    assert await chain(Memo([shelf], "use"), actor) == (3, 4)
    first, _ = await shelf.stats()
    assert first.faults == {"lost": 1}
    await shelf.close()
