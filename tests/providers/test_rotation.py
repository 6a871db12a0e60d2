"""Bringing saved keys under a new encryption key."""

import pytest
from django.core.management import call_command

from providers import services, vault
from providers.models import Deployment, UpstreamKey
from providers.services import rotate_keys, save_key
from tests.canary import CANARY
from tests.factories import make_model
from tests.providers.test_vault import ONE, TWO

pytestmark = pytest.mark.django_db


@pytest.fixture
def keys(settings, alice):
    """Two keys under ONE, on a site that now encrypts with TWO."""
    settings.ENCRYPTION_KEYS = [ONE]
    deployments = [make_model(name).deployments.get() for name in ("one", "two")]
    saved = [save_key(deployment=d, plain=f"{CANARY}-{d.model.name}") for d in deployments]
    settings.ENCRYPTION_KEYS = [TWO, ONE]
    return saved


def plain_keys():
    return {vault.open_key(key) for key in UpstreamKey.objects.select_related("deployment")}


def test_after_a_rotation_the_old_key_can_be_removed(keys, settings, capsys):
    call_command("rotate_encryption_keys")
    assert "2 keys brought" in capsys.readouterr().out
    settings.ENCRYPTION_KEYS = [TWO]
    assert plain_keys() == {f"{CANARY}-one", f"{CANARY}-two"}
    assert rotate_keys() == 0


def test_an_interrupted_rotation_leaves_every_key_readable_and_goes_on(keys, settings, monkeypatch):
    reseal, calls = vault.reseal, []

    def reseal_once(key):
        calls.append(key)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return reseal(key)

    monkeypatch.setattr(services.vault, "reseal", reseal_once)
    with pytest.raises(KeyboardInterrupt):
        rotate_keys()
    assert len(plain_keys()) == 2
    assert len(set(UpstreamKey.objects.values_list("encrypted_with", flat=True))) == 2
    monkeypatch.setattr(services.vault, "reseal", reseal)
    assert rotate_keys() == 1
    settings.ENCRYPTION_KEYS = [TWO]
    assert len(plain_keys()) == 2


def test_a_key_of_a_deployment_that_moved_is_rotated_too(keys, settings):
    Deployment.objects.update(base_url="https://elsewhere.example.org")
    assert rotate_keys() == 2
