"""Who can speak: the voices of the tts room, characters made of them, and recordings, and whose portrait may say it.
Turns what is asked for into what is done."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from deployments.avatar import portraits
from deployments.avatar.faces import given
from deployments.core import engines
from deployments.core.errors import AvatarError, BadInput
from deployments.core.types import Conversion, RenderRequest
from deployments.core.video import Filming
from deployments.lipsync import choice, languages
from deployments.rvc.folder import ModelFolder, file_name
from deployments.tts.voices import VoiceInfo, VoiceLibrary, catalogue

from .characters import Character, Characters
from .sections import LipSyncChoice, Videos
from .upload_store import UploadStore

_MAX_SIDE = 4096
"""Pixels of a picture that nothing is known of: see media/pictures.py."""
MIN_SPEED, MAX_SPEED = 0.5, 2.0
"""Of a voice: see Sentence."""


def check_length(seconds: float, most_s: float, audio: str) -> None:
    """
    Args:
        seconds: that a video would last.
        most_s: that one may.
        audio: the recording that is heard; empty for a text that is spoken.

    Raises:
        BadInput: so long a video is not made.
    """
    if seconds > most_s:
        field = "audio_filename" if audio else "text"
        raise BadInput(
            f"{field}: a video may last {most_s:g} s, this one would last {seconds:.0f}.",
            hint="Send it in parts, or raise avatar.max_seconds of the settings.",
        )


@dataclass(frozen=True)
class CharacterInfo:
    """A character, and whether it can speak."""

    character: Character
    voice: VoiceInfo | None
    """That speaks; None where it is neither here nor in the catalogue."""
    lacks: tuple[str, ...]
    """What is missing, as commands or reasons; empty for one that can speak."""


class Cast:
    """Of this machine. Blocking: a few stat calls each."""

    def __init__(
        self,
        library: VoiceLibrary,
        characters: Characters,
        models: ModelFolder,
        uploads: UploadStore,
        lipsync: LipSyncChoice,
        videos: Videos,
        default: str | None = None,
    ) -> None:
        """
        Args:
            library: the voices.
            characters: made of them.
            models: what they are converted with.
            uploads: the recordings.
            lipsync: what can move the mouth.
            videos: what can make a portrait talk.
            default: a voice or character; that of the library if left out.
        """
        self._uploads = uploads
        self._lipsync = lipsync
        self._videos = videos
        self._default = default
        self.library = library
        self.characters = characters
        self.models = models

    @property
    def default(self) -> str:
        """ID of the voice or character used when a request names none."""
        return self._default or self.library.default

    def choose(self, request: RenderRequest) -> RenderRequest:
        """The request with the voice that speaks, or the recording that is there, and all that becomes of it.

        Raises:
            UnknownVoice, VoiceNotInstalled: what it names is not here.
            UploadNotFound: nor the recording, or the picture.
            BadInput: a parameter that an engine does not take, or an engine that does not take this.
        """
        if request.audio:
            self._uploads.find(request.audio)
            request = replace(request, language=languages.canonical(request.language))
        else:
            request = self._with_voice(request)
        video = self._portrait(request.video, request) if request.video else None
        return replace(request, lipsync=self._mouth(request), video=video)

    def _portrait(self, asked: Filming, request: RenderRequest) -> Filming:
        """With all parameters filled in, and the picture that is there, for what is chosen to be said."""
        audio = request.audio
        language = request.language if audio else self.library.find(request.voice_id).language
        engine = asked.engine or self._videos.default
        if engine not in self._videos.engines:
            raise BadInput(
                f"engine: the server does not have {engine[:40]!r}.",
                hint=f"It has: {', '.join(self._videos.engines)} (avatar.engines of the settings).",
            )
        engines.weights("avatar", engine, self._videos.engines[engine])  # says what is missing
        if audio and (found := self._uploads.known(audio)):
            check_length(float(found.get("duration_s", 0)), self._videos.max_seconds, audio)
        if asked.background and not asked.background.startswith("#"):
            self._uploads.find(asked.background, "image", "background")
        parameters = engines.parameters("avatar", engine, json.loads(asked.parameters), "parameters")
        image = self._image(asked.image)
        if asked.landmarks:
            known = self._uploads.known(image) or {}
            given.parse(asked.landmarks, *(int(known.get(side, _MAX_SIDE)) for side in ("width", "height")))
        return replace(asked, engine=engine, parameters=parameters, image=image, language=language)

    def _image(self, name: str) -> str:
        if name in portraits.names():
            return portraits.image_of(name)
        if portraits.find(name) is None:
            self._uploads.find(name, "image")
        return name

    def _mouth(self, request: RenderRequest) -> str:
        own = self._lipsync
        return choice.choose(
            *(request.lipsync, tuple(own.engines), own.default, own.fallback),
            recorded=bool(request.audio),
            has_text=bool(request.text),
        )

    def _with_voice(self, request: RenderRequest) -> RenderRequest:
        name = request.voice_id or self.default
        character = self.characters.all().get(name)
        if character:
            request = replace(
                request,
                voice_id=character.tts or self.library.default,
                speed=min(MAX_SPEED, max(MIN_SPEED, request.speed * character.speed)),
                speaker=request.speaker or character.speaker,
                character=name,
            )
        else:
            request = replace(request, voice_id=name)
        self.library.find(request.voice_id)
        conversion = _conversion(request.conversion, character)
        if conversion:
            self.models.check(conversion)
        return replace(request, conversion=conversion)

    def stamp(self, request: RenderRequest) -> tuple[int, ...]:
        """Changes with the files that a chosen request is spoken with; means nothing on another machine.

        Raises:
            UnknownVoice, VoiceNotInstalled
        """
        if request.audio:  # its name follows from its content
            return ()
        own = self.models.stamp(request.conversion) if request.conversion else ()
        return (*self.library.stamp(request.voice_id), *own)

    def voices(self) -> list[VoiceInfo]:
        """The installed voices, then the rest of the catalogue."""
        installed = self.library.installed()
        missing = [voice for voice_id, voice in catalogue().items() if voice_id not in installed]
        return [*installed.values(), *missing]

    def people(self) -> list[CharacterInfo]:
        """All characters, by name."""
        return [self._info(character) for _, character in sorted(self.characters.all().items())]

    def _info(self, character: Character) -> CharacterInfo:
        voice_id = character.tts or self.library.default
        lacks = []
        voice = self.library.installed().get(voice_id) or catalogue().get(voice_id)
        for look in (lambda: self.library.find(voice_id), lambda: self._check(character)):
            try:
                look()
            except AvatarError as error:
                lacks.append(f"{error} {error.hint or ''}".strip())
        return CharacterInfo(character, voice, tuple(lacks))

    def _check(self, character: Character) -> None:
        if conversion := _conversion(None, character):
            self.models.check(conversion)


def _conversion(asked: Conversion | None, character: Character | None) -> Conversion | None:
    """What a request asks for, on top of the character where both mean the same engine; all parameters filled in."""
    if asked is None and character is None:
        return None
    given = engines.given("rvc", asked.engine, json.loads(asked.parameters)) if asked else {}
    model = asked.model if asked else ""
    engine = asked.engine if asked else character.engine  # type: ignore[union-attr]
    if character and character.engine == engine:
        model = model or character.model
        same = file_name(model) == file_name(character.model)
        given = {**(character.parameters if same else {}), **given}
    if engine == "rvc" and not model:
        raise BadInput(
            "voice.model: the engine rvc needs a voice model.",
            hint="Name one of the folder of models, or as voice_id a character that has one (GET /v1/voices).",
        )
    return Conversion(engine, file_name(model), engines.parameters("rvc", engine, given))
