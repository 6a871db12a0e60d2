"""Upstream keys at rest."""

import base64
import copy
import os
import uuid

import pytest
from django.core.exceptions import ImproperlyConfigured

from providers import vault
from providers.errors import UpstreamUnavailable
from providers.models import Deployment, UpstreamKey
from tests.canary import CANARY

ONE = base64.b64encode(b"1" * 32).decode()
TWO = base64.b64encode(b"2" * 32).decode()


@pytest.fixture
def key():
    deployment = Deployment(base_url="https://api.deepinfra.com")
    key = UpstreamKey(deployment=deployment, host="api.deepinfra.com")
    vault.seal(key, CANARY)
    return key


def test_a_sealed_key_opens_to_itself(key):
    assert vault.open_key(key) == CANARY


def test_the_ciphertext_does_not_hold_the_key(key):
    assert CANARY.encode() not in key.ciphertext
    assert len(key.ciphertext) == 12 + len(CANARY) + 16


def test_sealing_twice_gives_two_ciphertexts(key):
    before = key.ciphertext
    vault.seal(key, CANARY)

    assert key.ciphertext != before


def test_a_ciphertext_does_not_open_in_another_row(key):
    key.pk = uuid.uuid4()

    with pytest.raises(UpstreamUnavailable, match="cannot be read any more"):
        vault.open_key(key)


def test_a_ciphertext_does_not_open_for_another_owner(key):
    key.owner_id = uuid.uuid4()

    with pytest.raises(UpstreamUnavailable, match="cannot be read any more"):
        vault.open_key(key)


def test_a_ciphertext_does_not_open_for_another_host(key):
    key.host = "evil.example.com"
    key.deployment.base_url = "https://evil.example.com"

    with pytest.raises(UpstreamUnavailable, match="cannot be read any more"):
        vault.open_key(key)


def test_a_key_stays_closed_when_its_deployment_has_moved(key):
    key.deployment.base_url = "https://api.example.com"

    with pytest.raises(UpstreamUnavailable, match="belongs to another address") as problem:
        vault.open_key(key)
    assert problem.value.sent is False


@pytest.mark.parametrize("place", [0, 15, -1])
def test_a_changed_ciphertext_does_not_open(key, place):
    changed = bytearray(key.ciphertext)
    changed[place] ^= 1
    key.ciphertext = bytes(changed)

    with pytest.raises(UpstreamUnavailable):
        vault.open_key(key)


@pytest.mark.parametrize("ciphertext", [b"", b"short", os.urandom(12)])
def test_a_truncated_ciphertext_does_not_open(key, ciphertext):
    key.ciphertext = ciphertext

    with pytest.raises(UpstreamUnavailable):
        vault.open_key(key)


def test_the_first_encryption_key_seals_and_all_open(key, settings):
    settings.ENCRYPTION_KEYS = [ONE]
    vault.seal(key, CANARY)
    older = copy.copy(key)
    settings.ENCRYPTION_KEYS = [TWO, ONE]
    vault.seal(key, CANARY)

    # The starts of the SHA-256 of 32 ones and of 32 twos.
    assert (older.encrypted_with, key.encrypted_with) == ("8a83665f", "0d6ba19b")
    assert vault.open_key(older) == vault.open_key(key) == CANARY


def test_a_missing_encryption_key_is_named(key, settings):
    settings.ENCRYPTION_KEYS = [ONE]
    vault.seal(key, CANARY)
    settings.ENCRYPTION_KEYS = [TWO]

    with pytest.raises(ImproperlyConfigured, match="encrypted with the key 8a83665f, which is not in ENCRYPTION_KEYS"):
        vault.open_key(key)


def test_without_encryption_keys_the_operator_is_told_how_to_make_one(key, settings):
    settings.ENCRYPTION_KEYS = []

    with pytest.raises(ImproperlyConfigured, match=r"ENCRYPTION_KEYS is empty: .*openssl rand -base64 32"):
        vault.seal(key, CANARY)


@pytest.mark.parametrize("text", ["", "secret", "dG9vIHNob3J0", ONE + "AAAA", "ключ", ONE[:-1]])
def test_a_malformed_encryption_key_is_named_by_its_place_and_not_shown(key, settings, text):
    settings.ENCRYPTION_KEYS = [ONE, text]

    with pytest.raises(ImproperlyConfigured, match="Entry 2 of ENCRYPTION_KEYS is malformed") as problem:
        vault.seal(key, CANARY)
    assert not text or text not in str(problem.value)


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("https://api.deepinfra.com", "api.deepinfra.com"),
        ("https://API.deepinfra.com:443/v1", "api.deepinfra.com"),
        ("https://api.deepinfra.com:8443", "https://api.deepinfra.com:8443"),
        ("http://api.deepinfra.com", "http://api.deepinfra.com:80"),
        ("http://10.0.0.5:8080", "http://10.0.0.5:8080"),
    ],
)
def test_a_key_belongs_to_host_port_and_scheme(base_url, host):
    assert vault.host_of(Deployment(base_url=base_url)) == host
