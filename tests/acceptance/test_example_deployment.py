"""The examples' image and manifests, without Docker and a cluster: its steps are carried out, and they are held against schemas."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml
from dockerfile_parse import DockerfileParser

from examples.web.fastapi_app import runtime
from roost import MigrationConfig
from tests.plugins.build import BOUND
from tests.plugins.ports import free_port

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "examples" / "docker" / "Dockerfile"
MANIFESTS = sorted((ROOT / "examples" / "kubernetes").glob("*.yaml"))
KUBERNETES = ("1.30", "1.34")


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile."""

    name: str
    value: str


def instructions() -> list[Instruction]:
    """Return the lines of the image, in order."""
    with DOCKERFILE.open("rb") as file:
        lines = DockerfileParser(fileobj=file).structure
    return [Instruction(line["instruction"], line["value"]) for line in lines if line["instruction"] != "COMMENT"]


def value_of(name: str) -> str:
    """Return what the last instruction of a name says."""
    return [one.value for one in instructions() if one.name == name][-1]


class Image:
    """A directory that stands for the image's file system, in which its steps are carried out by the Python of the tests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workdir = "/"

    def real(self, path: str) -> Path:
        """Return where a path of the image is."""
        return self.root / (path if path.startswith("/") else f"{self.workdir}/{path}").lstrip("/")

    def build(self) -> None:
        """Carry out the steps of all stages; users are left out, as that takes root."""
        for one in instructions():
            if one.name == "WORKDIR":
                self.workdir = one.value
                self.real("").mkdir(parents=True, exist_ok=True)
            elif one.name == "COPY" and not one.value.startswith("--from"):
                self._copy(*one.value.split())
            elif one.name == "RUN" and "useradd" not in one.value:
                command = one.value.replace("/opt/", f"{self.root}/opt/").replace("python -m", f"{sys.executable} -m", 1)
                subprocess.run(["bash", "-c", command], cwd=self.real(""), check=True, capture_output=True, text=True, timeout=BOUND)

    def _copy(self, *paths: str) -> None:
        *sources, target = paths
        for source in sources:
            place = self.real(target)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                shutil.copy(ROOT / source, place)

    def start(self, arguments: list[str], **environment: str) -> subprocess.Popen[str]:
        """Start a program of the image."""
        return subprocess.Popen(
            arguments,
            cwd=self.real("/app"),
            env={"PATH": f"{self.root}/opt/venv/bin:{os.environ['PATH']}", **environment},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, arguments: list[str], **environment: str) -> tuple[int, str]:
        """Run a program of the image to its end, and return its exit code and what it said."""
        with self.start(arguments, **environment) as process:
            told, _ = process.communicate(timeout=BOUND)
        return process.returncode, told


def as_list(value: str) -> list[str]:
    """Return the words of an instruction in its form without a shell."""
    words: list[str] = yaml.safe_load(value)
    return words


def test_the_image_serves(tmp_path: Path, database_url: str) -> None:
    """Its steps make a server that migrates, becomes healthy by the image's own check, and ends at the image's stop signal."""
    image = Image(tmp_path)
    image.build()
    port = str(free_port())
    code, told = image.run(["roost", "wait", "--timeout", "0"], DATABASE_URL=database_url)
    assert code == 3
    assert re.match(r"still pending after \d+ s: notes-migration\nhint: ", told)
    command = [word.replace("8000", port) for word in as_list(value_of("CMD"))]
    server = image.start(command, DATABASE_URL=database_url)
    try:
        check = [word.replace("8000", port) for word in as_list(value_of("HEALTHCHECK").partition(" CMD ")[2])]
        due = time.monotonic() + BOUND
        while image.run(check)[0] != 0 and time.monotonic() < due:
            assert server.poll() is None, server.communicate()
        answer = httpx.post(f"http://127.0.0.1:{port}/notes", json={"body": "kept"}, trust_env=False)
        assert answer.status_code == 201
        assert image.run(["roost", "wait", "--timeout", "0"], DATABASE_URL=database_url) == (0, "nothing is pending\n")
    finally:
        server.send_signal(signal.Signals[value_of("STOPSIGNAL")])
        told, _ = server.communicate(timeout=BOUND)
    assert "Traceback" not in told


def test_the_image_is_nobody_s_root() -> None:
    """The server runs as a user with a number, which Kubernetes can check, and as the container's first process."""
    assert int(value_of("USER")) > 0
    assert value_of("CMD").startswith("[")


def documents() -> list[dict[str, Any]]:
    """Return all objects of the manifests."""
    return [document for manifest in MANIFESTS for document in yaml.safe_load_all(manifest.read_text("utf-8"))]


@pytest.mark.parametrize("version", KUBERNETES)
def test_manifests_are_what_kubernetes_takes(version: str) -> None:
    """Each object satisfies the schema of its kind, strictly; a field that is misspelt would not."""
    assert {document["kind"] for document in documents()} == {"Deployment", "Job", "Service"}
    for document in documents():
        kubernetes_validate.validate(document, version, strict=True)
    wrong = documents()[0]
    wrong["spec"]["replikas"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


def test_pods_are_given_the_time_that_they_need() -> None:
    """The grace period is longer than a wait for the lock; the probes ask for what the server answers; the commands are roost's."""
    (deployment,) = [document for document in documents() if document["kind"] == "Deployment"]
    (job,) = [document for document in documents() if document["kind"] == "Job"]
    pods = [one["spec"]["template"]["spec"] for one in (deployment, job)]
    config, probe = runtime.config, pods[0]["containers"][0]["startupProbe"]
    assert isinstance(config, MigrationConfig)
    assert all(pod["terminationGracePeriodSeconds"] > config.run_lock_timeout for pod in pods)
    assert probe["periodSeconds"] * probe["failureThreshold"] == runtime.limits.start
    (container,) = pods[0]["containers"]
    assert {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")} == {
        "startup": "/startupz",
        "readiness": "/readyz",
        "liveness": "/livez",
    }
    commands = [one["command"] for pod in pods for one in pod.get("initContainers", pod["containers"])]
    assert commands == [["roost", "wait", "--timeout", "600"], ["roost", "up"]]
    for command in commands:
        shown = subprocess.run([sys.executable, "-m", "roost.cli", command[1], "--help"], capture_output=True, text=True, check=True)
        assert all(option in shown.stdout for option in command if option.startswith("--"))
    assert all(re.fullmatch(r"\d+", str(pod["securityContext"]["runAsUser"])) for pod in pods)
