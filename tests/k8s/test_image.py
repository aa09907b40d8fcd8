"""k8s/Dockerfile has what the operator and the pods need. Read, not built: there is no engine here."""

from __future__ import annotations

import re
import tomllib

import yaml

from k8s import generate

DOCKERFILE = (generate.ROOT / "k8s" / "Dockerfile").read_text(encoding="utf-8")
COPIED = {source for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()}


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    rules = (generate.ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == COPIED
    assert [source for source in COPIED if not (generate.ROOT / source).exists()] == []


def test_every_package_of_the_distribution_is_copied() -> None:
    project = tomllib.loads((generate.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= COPIED


def test_the_operators_tools_are_installed() -> None:
    installed = re.search(r"apt-get install (.+)", DOCKERFILE)
    assert installed and {"bash", "wget"} <= set(installed[1].split())


def test_user_and_tag_are_those_of_the_pods() -> None:
    service = next(iter(yaml.safe_load_all(generate.render())))
    pod = service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert f"\nUSER {user}\n" in DOCKERFILE
    assert f"-t {pod['containers'][0]['image']} " in DOCKERFILE
