"""The files for containers, checked without an engine: each name in them leads somewhere, and nothing is left open."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from celery.bin.celery import celery
from django.core.management import get_commands

from chatsite import settings as site
from chatsite.daphne_server import CUT_SECONDS, STOP_SECONDS
from chatsite.http_channel import Limits
from tests.deploy.compose import COMPOSE, OURS, SERVICES, instructions, programs
from tests.site import ROOT

DOCKERFILE = instructions(ROOT / "Dockerfile")
VARIABLE = re.compile(r"\$\{([A-Z_]+)")


def only(instruction):
    return [words for name, words in DOCKERFILE if name == instruction]


def exists(words):
    match words:
        case ["python", "manage.py", command, *_]:
            return (ROOT / "manage.py").is_file() and command in get_commands()
        case ["python", "-m", module, *_]:
            return importlib.util.find_spec(module) is not None
        case ["celery", "--app", module, command, *_]:
            return importlib.util.find_spec(module) is not None and command in celery.commands
    return False


def test_it_is_a_compose_file():
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "ok -- validation done\n"), done.stdout + done.stderr


def test_what_our_containers_run_exists():
    assert set(OURS) == {"setup", "web", "worker", "beat"}
    commands = [words for service in OURS.values() for words in programs(service)]
    assert len(commands) == 5
    assert [words for words in commands if not exists(words)] == []
    files = [word for words in commands for word in words if "." in Path(word).name and "/" in word]
    assert files == ["panel/catalog.toml"]
    assert (ROOT / files[0]).is_file()


def test_the_health_of_the_site_is_asked_by_a_module_that_exists():
    ask, *words = OURS["web"]["healthcheck"]["test"]
    assert ask == "CMD"
    assert exists(words)


def test_all_our_containers_are_one_image_in_one_environment():
    shared = [{**service, "command": 0, "depends_on": 0} for service in OURS.values()]
    for key in ("image", "build", "env_file", "environment", "volumes"):
        assert len({str(service[key]) for service in shared}) == 1, key


def test_every_variable_is_explained_in_the_example():
    explained = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    used = set(VARIABLE.findall((ROOT / "docker-compose.yml").read_text()))
    assert used == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "SITE_URL"}
    assert used <= set(explained)


def test_a_variable_that_is_missing_is_named_and_none_has_a_default():
    text = (ROOT / "docker-compose.yml").read_text()
    for name, message in re.findall(r"\$\{([A-Z_]+)([^}]*)\}", text):
        assert message == f":?set {name} in .env"


def test_only_the_proxy_can_be_reached_from_outside():
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert not any("network_mode" in service for service in SERVICES.values())
    assert COMPOSE["networks"]["inside"]["internal"] is True
    inside = {name for name, service in SERVICES.items() if service["networks"] == ["inside"]}
    assert inside == {"postgres", "redis", "setup", "worker", "beat"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_more_rights_than_it_needs(name):
    service = SERVICES[name]
    too_much = {"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode", "user"}
    assert too_much & set(service) == set()
    assert "docker.sock" not in str(service.get("volumes"))


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_write_nowhere_but_to_their_data(name):
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == [f"data:{service['environment']['DATA_DIR']}"]


def test_who_waits_for_somebody_waits_for_what_they_can_become():
    for service in SERVICES.values():
        for name, wish in service.get("depends_on", {}).items():
            if wish["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[name]
            else:
                assert (wish["condition"], SERVICES[name]["restart"]) == ("service_completed_successfully", "no")


def test_every_network_and_volume_is_declared():
    networks = {name for service in SERVICES.values() for name in service["networks"]}
    volumes = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    files = {name for name in volumes if name.startswith("./")}
    assert networks == set(COMPOSE["networks"])
    assert volumes - files == set(COMPOSE["volumes"])
    assert all((ROOT / file).is_file() for file in files)


def test_the_proxy_asks_the_web_process_where_it_listens():
    caddyfile = (ROOT / "docs" / "Caddyfile").read_text()
    port = OURS["web"]["environment"]["PORT"]
    assert re.search(r"^\{\$SITE_URL\} \{$", caddyfile, re.MULTILINE)
    assert f"reverse_proxy web:{port} {{" in caddyfile
    assert "trusted_proxies" not in caddyfile  # else a client could say where it comes from
    assert SERVICES["proxy"]["environment"].keys() == {"SITE_URL"}


def test_the_web_process_is_killed_only_after_its_own_deadlines():
    assert OURS["web"]["stop_grace_period"] == "30s"
    assert Limits().drain_seconds + CUT_SECONDS + STOP_SECONDS <= 25


def test_the_image_installs_what_is_locked():
    (install,) = [words for words in only("RUN") if "/venv/bin/pip" in words]
    assert install[-3:] == ["--require-hashes", "--requirement", "/tmp/run.txt"]
    assert ["requirements/run.txt", "/tmp/run.txt"] in only("COPY")


def test_both_stages_are_the_same_python():
    build, run = only("FROM")
    assert build == [*run, "AS", "build"]
    assert re.fullmatch(r"python:3\.1[1-9]-slim-\w+", run[0])


def test_the_image_runs_as_nobody_in_particular_and_serves_by_default():
    names = [name for name, _ in DOCKERFILE]
    assert only("USER") == [["chatsite"]]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in ("RUN", "COPY"))
    assert " ".join(only("CMD")[0]) == str(OURS["web"]["command"]).replace("'", '"')


def test_what_is_copied_into_the_image_is_there():
    sources = [word for words in only("COPY") if not words[0].startswith("--from") for word in words[:-1]]
    assert sources == ["requirements/run.txt", "."]
    assert all((ROOT / source).exists() for source in sources)


def test_no_secret_is_part_of_the_image():
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"SECRET_KEY|ENCRYPTION_KEYS|PASSWORD|TOKEN", text)
    assert only("ARG") == []
    left_out = set((ROOT / ".dockerignore").read_text().split())
    assert {".git", ".env", ".env.*", "var", ".venv"} <= left_out


def test_the_image_keeps_what_the_containers_read():
    left_out = set((ROOT / ".dockerignore").read_text().split())
    needed = ["manage.py", "chatsite", "static", "templates", "requirements/run.txt", "panel/catalog.toml"]
    assert [path for path in needed if path.split("/")[0] in left_out] == []


def test_the_static_files_are_where_the_image_put_them():
    made = re.search(r"STATIC_ROOT=(\S+) python manage.py collectstatic", (ROOT / "Dockerfile").read_text())[1]
    assert OURS["web"]["environment"]["STATIC_ROOT"] == made
    assert {"STATIC_ROOT", "DATA_DIR", "HOST", "PORT"} <= set(vars(site))
