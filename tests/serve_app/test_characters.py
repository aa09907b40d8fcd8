"""Characters: read strictly, read again when they change, and chosen like voices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployments.core.errors import BadInput, UnknownVoice, VoiceNotInstalled
from deployments.core.types import Conversion, RenderRequest
from deployments.rvc.folder import ModelFolder
from deployments.tts.voices import BUNDLED_VOICE, VoiceLibrary
from serve_app.cast import Cast
from serve_app.characters import Characters, read
from serve_app.sections import LipSyncChoice, Videos
from serve_app.settings import Settings
from serve_app.upload_store import UploadStore

OURS = Path(__file__).parents[2] / "configs" / "voices.yaml"
ARA = """
characters:
  ara: {rvc_model: models/rvc/Ara.pth, pitch: 0.12, index_rate: 0.65, speed: 0.95}
  deep: {tts: en_US-joe-medium, pitch_semitones: -3, formant: 0.9, speed: 1.5}
"""


@pytest.fixture
def cast(tmp_path: Path) -> Cast:
    (tmp_path / "voices.yaml").write_text(ARA, encoding="utf-8")
    for name in ("rvc/Ara.pth", "rvc/Bea.pth", "contentvec/config.json", "contentvec/model.safetensors"):
        path = tmp_path / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    characters = Characters(tmp_path / "voices.yaml", tmp_path / "models" / "rvc")
    uploads = UploadStore(str(tmp_path / "uploads"), ttl_hours=1, max_mb=1)
    return Cast(
        *(VoiceLibrary(tmp_path / "voices"), characters, ModelFolder(tmp_path / "models")),
        *(uploads, LipSyncChoice(), Videos()),
    )


def _chosen(cast: Cast, **fields: object) -> RenderRequest:
    return cast.choose(RenderRequest("Hello.", **{"voice_id": "", **fields}))  # type: ignore[arg-type]


def _parameters(request: RenderRequest) -> dict[str, object]:
    assert request.conversion
    parameters: dict[str, object] = json.loads(request.conversion.parameters)
    return parameters


def test_ours_are_sound() -> None:
    assert {name: (each.engine, each.model) for name, each in read(OURS).items()} == {
        "joe-deep": ("world", ""),
        "joe-bright": ("world", ""),
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("characters: [", "voices.yaml"),
        ("people: {}", "one section is wanted"),
        ("- a", "one section is wanted"),
        ("characters: {ara: 3}", "ara"),
        ("characters: {3: {}}", "name of 1 to 200"),
        ("characters: {ara: {rvc_model: A.pth, index_rat: 1}}", "index_rat"),
        ("characters: {ara: {rvc_model: A.pth, index_rate: 2}}", "index_rate"),
        ("characters: {ara: {rvc_model: A.pth, formant: 2}}", "formant"),
        ("characters: {ara: {engine: rvc}}", "go together"),
        ("characters: {ara: {engine: world, rvc_model: A.pth}}", "go together"),
        ("characters: {ara: {engine: magic}}", "magic"),
        ("characters: {ara: {speed: 3}}", "speed"),
        ("characters: {ara: {pitch: 0.1, pitch_semitones: 1}}", "not both"),
        ("characters: {ara: {speed: !!bool foo}}", "KeyError"),
        ("characters: {ara: {speed: !!int ''}}", "IndexError"),
        ("characters: {ara: {speed: !!timestamp foo}}", "AttributeError"),
        ("characters: {ara: {rvc_model: A.pth, 3: 4}}", "ara"),
        ("characters: {ara: !!python/object/apply:os.system [id]}", "constructor"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "voices.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert Characters(path, tmp_path / "none").all() == {}  # the server goes on without
    assert Characters(path, tmp_path / "none").check() == [str(caught.value)]


def test_a_change_counts_at_once_and_the_folder_goes_before_the_file(cast: Cast, tmp_path: Path) -> None:
    own = tmp_path / "models" / "rvc" / "Bea.yaml"
    own.write_text("characters: {bea: {rvc_model: Bea.pth}, deep: {pitch_semitones: 5}}", encoding="utf-8")
    assert sorted(cast.characters.all()) == ["ara", "bea", "deep"]
    assert _parameters(_chosen(cast, voice_id="deep")) == {"pitch_semitones": 5.0, "formant": 1.0}
    own.unlink()
    assert sorted(cast.characters.all()) == ["ara", "deep"]


def test_a_plain_voice_stays_what_it_is(cast: Cast) -> None:
    chosen = _chosen(cast)
    assert (chosen.voice_id, chosen.conversion, chosen.character) == (BUNDLED_VOICE, None, "")
    assert cast.stamp(chosen) == cast.library.stamp(BUNDLED_VOICE)


def test_a_character_is_its_voice_its_model_and_its_parameters(cast: Cast) -> None:
    chosen = _chosen(cast, voice_id="ara")
    assert chosen.voice_id == BUNDLED_VOICE and chosen.character == "ara" and chosen.speed == 0.95
    assert chosen.conversion and (chosen.conversion.engine, chosen.conversion.model) == ("rvc", "Ara.pth")
    parameters = _parameters(chosen)
    assert parameters["pitch_semitones"] == pytest.approx(1.44) and parameters["index_rate"] == 0.65
    assert parameters["protect"] == 0.33  # the engine's default is filled in
    assert len(cast.stamp(chosen)) > len(cast.library.stamp(BUNDLED_VOICE))


@pytest.mark.parametrize(("asked", "spoken"), [(1.0, 1.5), (2.0, 2.0), (0.5, 0.75)])
def test_speeds_multiply_within_what_a_voice_can_do(cast: Cast, asked: float, spoken: float) -> None:
    assert _chosen(cast, voice_id="deep", speed=asked).speed == spoken


def test_a_request_changes_what_it_names_and_keeps_the_rest(cast: Cast) -> None:
    changed = _chosen(cast, voice_id="ara", conversion=Conversion("rvc", "", '{"index_rate": 0.1}'))
    assert changed.conversion and changed.conversion.model == "Ara.pth"
    assert _parameters(changed)["index_rate"] == 0.1
    assert _parameters(changed)["pitch_semitones"] == pytest.approx(1.44)
    other = _chosen(cast, voice_id="ara", conversion=Conversion("rvc", "Bea.pth"))
    assert _parameters(other)["index_rate"] == 0.75  # another model has nothing of hers
    effect = _chosen(cast, voice_id="ara", conversion=Conversion("world", "", '{"formant": 1.2}'))
    assert _parameters(effect) == {"pitch_semitones": 0.0, "formant": 1.2}


def test_a_pitch_in_octaves_can_be_changed_in_either_unit(cast: Cast) -> None:
    for wish, semitones in (('{"pitch_semitones": 5}', 5.0), ('{"pitch": 0.5}', 6.0)):
        changed = _chosen(cast, voice_id="ara", conversion=Conversion("rvc", "", wish))
        assert _parameters(changed)["pitch_semitones"] == semitones and _parameters(changed)["index_rate"] == 0.65


def test_a_model_has_one_name(cast: Cast) -> None:
    spellings = ("Ara.pth", "rvc/Ara.pth", "models/rvc/Ara.pth")
    assert len({_chosen(cast, voice_id="ara", conversion=Conversion("rvc", each)) for each in spellings}) == 1
    long = Conversion("rvc", "é" * 150 + ".pth")
    with pytest.raises(UnknownVoice):
        _chosen(cast, conversion=long)


def test_the_speaker_of_the_model_is_not_that_of_the_voice(cast: Cast, tmp_path: Path) -> None:
    (tmp_path / "voices.yaml").write_text(
        "characters: {two: {rvc_model: Ara.pth, rvc_speaker: 3, speaker: '7'}}", encoding="utf-8"
    )
    chosen = _chosen(cast, voice_id="two")
    assert chosen.speaker == "7" and _parameters(chosen)["speaker"] == 3


def test_a_character_may_be_the_default(tmp_path: Path) -> None:
    settings = Settings.model_validate({"voice": {"default": "joe-deep"}, "storage": {"data_dir": tmp_path}})
    assert settings.cast.default == "joe-deep" and settings.tts_options["default_voice"] == BUNDLED_VOICE
    assert settings.cast.choose(RenderRequest("Hello.", "")).character == "joe-deep"


def test_equal_wishes_are_equal_requests(cast: Cast) -> None:
    octave = _chosen(cast, voice_id="deep", conversion=Conversion("world", "", '{"pitch_semitones": 12}'))
    same = _chosen(
        cast, voice_id="deep", conversion=Conversion("world", "", '{"formant": 0.9, "pitch_semitones": 12.0}')
    )
    assert octave == same and hash(octave) == hash(same)


@pytest.mark.parametrize(
    ("fields", "error", "reason"),
    [
        ({"conversion": Conversion("rvc")}, BadInput, "needs a voice model"),
        ({"conversion": Conversion("rvc", "Nobody.pth")}, UnknownVoice, "Nobody"),
        ({"conversion": Conversion("rvc", "../Ara.pth")}, UnknownVoice, "no voice model"),
        ({"conversion": Conversion("world", "", '{"formant": 7}')}, BadInput, "formant"),
        ({"voice_id": "nobody"}, UnknownVoice, "nobody"),
        (
            {"voice_id": "ara", "conversion": Conversion("rvc", "", '{"f0_method": "rmvpe"}')},
            VoiceNotInstalled,
            "rmvpe",
        ),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_starts(
    cast: Cast, fields: dict[str, object], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        _chosen(cast, **fields)


def test_all_are_listed_with_what_they_lack(cast: Cast, tmp_path: Path) -> None:
    assert [(each.character.name, each.lacks) for each in cast.people()] == [("ara", ()), ("deep", ())]
    (tmp_path / "models" / "rvc" / "Ara.pth").unlink()
    (lacking, _) = cast.people()
    assert "Ara.pth" in lacking.lacks[0] and "voices add" in lacking.lacks[0]
