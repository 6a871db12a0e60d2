"""A deployment and two members."""

import pytest

from accounts.models import User
from providers.models import Deployment, Model


@pytest.fixture
def deployment(db):
    model = Model.objects.create(name="deepseek-ai/DeepSeek-V3", title="DeepSeek V3", dialect="deepinfra")
    return Deployment.objects.create(
        model=model,
        dialect="deepinfra",
        base_url="https://api.deepinfra.com",
        upstream_model="deepseek-ai/DeepSeek-V3",
        context_window=16_000,
        max_output=4_000,
    )


@pytest.fixture
def alice(db):
    return User.objects.create_user("alice@example.org")


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob@example.org")
