"""Rows for tests: plain functions with defaults."""

from accounts.models import User
from billing.models import Price
from billing.services import set_price
from providers.models import Deployment, Model

PASSWORD = "lamb-two-ways-41"


def make_user(email="alice@example.org", **fields):
    return User.objects.create_user(email=email, password=PASSWORD, **fields)


def make_model(
    name="deepseek-v31-terminus",
    dialect="eigenai",
    base_url="https://app.eigenai.com",
    upstream_model=None,
    input=400_000_000,
    output=2_000_000_000,
    context_window=128_000,
    max_output=8192,
    source=Price.Source.DOCUMENTED,
    documented=True,
    thinks=True,
):
    """A model with one deployment; `input` and `output` in nanocredits per million tokens, None for no price."""
    model = Model.objects.create(name=name, title=name.title(), dialect=dialect, thinks=thinks)
    deployment = Deployment.objects.create(
        model=model,
        dialect=dialect,
        base_url=base_url,
        upstream_model=upstream_model or name,
        context_window=context_window,
        max_output=max_output,
        documented=documented,
    )
    if input is not None:
        set_price(deployment=deployment, input=input, output=output, source=source)
    return model
