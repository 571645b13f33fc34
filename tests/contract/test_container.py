"""The container files, without an engine: the image's own command, environment and health check are run natively."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from server.media.janus_configuration import from_environment
from tests.browser.served import ROOT, free_port

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
START_SECONDS = 60.0
START_PERIOD = 20.0
"""A container may be unhealthy for so long after its start (HEALTHCHECK of the Dockerfile)."""


def environment() -> dict[str, str]:
    """What the image and the compose file set."""
    given = dict(re.findall(r"(BETPE_\w+)=(\S+)", "\n".join(re.findall(r"^ENV (.+)$", DOCKERFILE, re.MULTILINE))))
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for name, value in re.findall(r"^\s+(BETPE_\w+): (.+)$", compose, re.MULTILINE):
        default = re.fullmatch(r"\$\{\w+:-(.*)\}", value)
        given[name] = default.group(1) if default else value
    return given


def words_of(instruction: str) -> list[str]:
    """The JSON form of the last CMD, or of HEALTHCHECK's CMD."""
    found = re.findall(rf"^{instruction}(\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found, instruction
    return [sys.executable if word == "python" else word for word in json.loads(found[-1])]


@pytest.mark.timeout(120)
async def test_the_images_command_starts_and_its_health_check_agrees(tmp_path: Path) -> None:
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BETPE_")}
    own = {"BETPE_DATA_DIR": str(tmp_path / "data"), "BETPE_PORT": str(port), "BETPE_PUBLIC_URL": ""}
    process = await asyncio.create_subprocess_exec(
        *words_of("CMD "), cwd=ROOT, env={**kept, **environment(), **own},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = b""
        async with asyncio.timeout(START_SECONDS):
            while b"#token=" not in said:
                line = await process.stdout.readline()
                assert line, said.decode()
                said += line
        check = [word.replace("127.0.0.1:8080", f"127.0.0.1:{port}") for word in words_of(r"  CMD ")]
        async with asyncio.timeout(START_PERIOD):
            while await (await asyncio.create_subprocess_exec(*check)).wait() != 0:
                await asyncio.sleep(0.5)  # the media processes come up while the service already listens
    finally:
        process.terminate()
        await process.communicate()
    assert process.returncode == 0


@pytest.mark.timeout(60)
async def test_the_janus_images_command_starts_a_janus_that_asks_for_the_secret(tmp_path: Path) -> None:
    if shutil.which("janus") is None:
        pytest.fail("janus is not installed. Debian, Ubuntu: apt-get install janus")
    stage = DOCKERFILE.split("AS janus")[1].split("\nFROM ")[0]
    given = dict(re.findall(r"(JANUS_\w+)=(\S+)", "\n".join(re.findall(r"^ENV (.+)$", stage, re.MULTILINE))))
    command = json.loads(re.findall(r"^CMD (\[.*\])$", stage, re.MULTILINE)[0])
    port = free_port()
    own = {
        "JANUS_FOLDER": str(tmp_path),
        "JANUS_API_PORT": str(port),
        "JANUS_API_SECRET": "secret of the tests",
        "JANUS_ADMIN_KEY": "key of the tests",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env={**given, **own}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(START_SECONDS), ClientSession() as http:
            while True:
                try:
                    socket = await http.ws_connect(f"http://127.0.0.1:{port}", protocols=("janus-protocol",))
                except ClientError:
                    await asyncio.sleep(0.1)
                else:
                    break
            async with socket:
                await socket.send_json({"janus": "create", "transaction": "1", "apisecret": "another"})
                assert (await socket.receive_json())["janus"] == "error"
                await socket.send_json({"janus": "create", "transaction": "2", "apisecret": "secret of the tests"})
                assert (await socket.receive_json())["janus"] == "success"
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.parametrize(
    "given", [{}, {"JANUS_API_SECRET": "s"}, {"JANUS_API_SECRET": "s", "JANUS_ADMIN_KEY": "k", "JANUS_PORTS": "9-1"}]
)
def test_a_janus_without_its_secrets_or_ports_is_not_configured(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="JANUS_"):
        from_environment(given)


def test_the_image_holds_what_runs_and_nothing_else() -> None:
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    copied = {word for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()}
    assert {f"!{name}" for name in copied} <= set(allowed)
    assert "USER betpe" in DOCKERFILE
