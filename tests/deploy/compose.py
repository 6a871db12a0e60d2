"""What docker-compose.yml and its neighbours say, read as the engine reads them."""

import shlex

from ruamel.yaml import YAML

from tests.site import ROOT

COMPOSE = YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")
SERVICES = COMPOSE["services"]
# The services that run our image.
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "chatsite"}


def programs(service):
    """The commands that a service runs, one after the other, as lists of words."""
    command = service["command"]
    if command[:2] == ["sh", "-c"]:
        return [shlex.split(part) for part in command[2].split("&&")]
    return [command]


def instructions(path):
    """A Dockerfile as pairs of an instruction and its words."""
    text = path.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split()[1:]) for line in lines]
