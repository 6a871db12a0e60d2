"""A provider's key is nowhere in the clear: pages, frames, files, what is printed, processes."""

import re

import pytest

from tests.deploy.processes import descendants
from tests.live import bad_upstream
from tests.live.canary_story import DECOY, NOBODY, OWN, TEAM, live, of_processes, sightings, talkative
from tests.site import Site

NEW_KEY = "bmV3ZXItZW5jcnlwdGlvbi1rZXktb2YtMzItYnl0ZXM="
PLACES = ["pages and frames", "files", "what was printed", "command lines", "environments"]


@pytest.fixture(scope="module")
def bad():
    with bad_upstream.serving() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def haystacks(bad, tmp_path_factory):
    """All that a site let anybody see, by PLACES, as pairs of a name and bytes."""
    # An operator may well name a key where `make run` looks for it.
    site = Site(PRIVATE_UPSTREAMS=f"{bad.place},{NOBODY}", EIGENAI_API_KEY=TEAM).start()
    try:
        seen, printed = live(site.url, site.command, tmp_path_factory.mktemp("models") / "models.toml", bad)
        children = descendants(site.process.pid)
        assert children
        with talkative() as pid:
            command_lines = of_processes("cmdline", [site.process.pid, *children, pid])
            environments = of_processes("environ", [*children, pid])
        running = files(site.folder)
        printed.append(("rotate_encryption_keys", rotated(site).encode()))
    finally:
        site.stop()
    printed += [("the server", line.encode()) for line in site.lines]
    return dict(zip(PLACES, (seen, running + files(site.folder), printed, command_lines, environments), strict=True))


def rotated(site):
    old = re.search(r"^ENCRYPTION_KEYS=(\S+)", (site.folder / "env").read_text(), re.M)[1]
    return site.command("rotate_encryption_keys", ENCRYPTION_KEYS=f"{NEW_KEY},{old}")


def files(folder):
    return [(f"the file {path.name}", path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.mark.parametrize("key", [TEAM, OWN], ids=["the team's", "a member's"])
@pytest.mark.parametrize("place", PLACES[:-1])
def test_a_key_is_nowhere_in_the_clear(haystacks, place, key):
    assert sightings(haystacks[place], key) == set()


def test_a_key_of_the_operators_environment_is_not_passed_on(haystacks):
    assert sightings(haystacks["environments"], TEAM) == set()


@pytest.mark.parametrize("place", PLACES)
def test_what_is_said_aloud_is_found(haystacks, place):
    assert sightings(haystacks[place], DECOY)


@pytest.mark.parametrize("key", [TEAM, OWN], ids=["the team's", "a member's"])
def test_each_way_to_misbehave_was_met(haystacks, bad, key):
    assert {way for way, used in bad.called if used == key} == set(bad_upstream.WAYS)
