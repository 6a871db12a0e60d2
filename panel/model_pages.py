"""The models this person may use, and a page for each: facts, health, parameters, schemas, requests to copy."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import User
from conversations.selectors import ModelChoice, picker
from conversations.views import PageRequest, signed_in
from panel.model_health import ago, hour_of, places_of
from panel.snippets import HIDDEN_HOST, KEY, snippets
from providers import dialects
from providers.dialects import Parameter

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LONG = 2**31  # from here on a power of two is easier to read as one


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One parameter in words; without a default or a bound the text is empty."""

    parameter: Parameter
    default: str
    allowed: str

    @property
    def parts(self) -> list[str]:
        """Of its dotted name, which may be broken after a dot."""
        return self.parameter.name.split(".")


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON schema as it is shown."""

    title: str
    text: str


@require_safe
@signed_in
def models(request: PageRequest) -> HttpResponse:
    return render(request, "panel/models.html", {"choices": picker(request.user)})


@require_safe
@signed_in
def model(request: PageRequest, name: str) -> HttpResponse:
    """One that this person may not use is as unknown as one that is not there."""
    choice = next((choice for choice in picker(request.user) if choice.model.name == name), None)
    if choice is None:
        raise Http404
    return render(request, "panel/model.html", page_of(request, choice))


def page_of(request: PageRequest, choice: ModelChoice) -> dict[str, Any]:
    """The page's context. `deployment` is where this person is served, else the first that could be; or None."""
    deployments, health = list(choice.model.deployments.all()), choice.health
    offered = [each for each in deployments if each.enabled]
    deployment = choice.endpoint.deployment if choice.endpoint else next(iter(offered), None)
    return {
        "choice": choice,
        "deployment": deployment,
        "price": None if choice.is_free else choice.rates,
        "health": health,
        "last_error": ago(health.last_error_at) if health.last_error_at else "",
        "hour": hour_of(deployment) if deployment else None,
        "places": places_of(choice.model, deployments) if may_see_places(request.user) else [],
        "parameters": parameter_rows(choice.model.dialect),
        "input_schema": input_schema(choice.model.dialect),
        "output_schemas": output_schemas(choice.model.dialect),
        "snippets": (listed := snippets(deployment) if deployment else []),
        "languages": {each.slug: each.language for each in listed},
        "streams": any(each.streams for each in listed),
        "key_name": KEY,
        "hidden_host": HIDDEN_HOST,
    }


def may_see_places(user: User) -> bool:
    """As the admin's own list of them: hosts may be of a private network."""
    return user.is_staff and user.has_perm("providers.view_deployment")


@lru_cache(maxsize=32)
def parameter_rows(dialect: str) -> tuple[ParameterRow, ...]:
    return tuple(ParameterRow(each, _default(each), allowed(each)) for each in dialects.get(dialect).parameters())


@lru_cache(maxsize=32)
def input_schema(dialect: str) -> Schema:
    return _schema("Body of the request", dialects.get(dialect).Request)


@lru_cache(maxsize=32)
def output_schemas(dialect: str) -> tuple[Schema, ...]:
    """Of a whole answer, and of one event of a stream where there are streams."""
    found = dialects.get(dialect)
    whole = _schema("Whole answer", found.Answer)
    return (whole, _schema("One event of a stream", found.Chunk)) if found.Chunk else (whole,)


def _schema(title: str, model: Any) -> Schema:
    return Schema(title, json.dumps(dialects.json_schema(model), indent=2, ensure_ascii=False))


def _default(parameter: Parameter) -> str:
    return "" if parameter.default is None else json.dumps(parameter.default)


def allowed(parameter: Parameter) -> str:
    """What it may be in words, such as “over 0, up to 1”."""
    if parameter.choices:
        return ", ".join(parameter.choices)
    if parameter.max_items is not None:
        return f"up to {parameter.max_items}"
    low, high = _number(parameter.minimum), _number(parameter.maximum)
    if low and high:
        return f"{low} to {high}"
    over, under = _number(parameter.exclusive_minimum), _number(parameter.exclusive_maximum)
    bounds = {"{} or more": low, "over {}": over, "up to {}": high, "under {}": under}
    return ", ".join(words.format(bound) for words, bound in bounds.items() if bound)


def _number(bound: float | None) -> str:
    if bound is None:
        return ""
    size = abs(int(bound))
    is_long = size >= LONG and size & (size - 1) == 0
    text = "2" + str(size.bit_length() - 1).translate(SUPERSCRIPTS) if is_long else f"{abs(bound):,}"
    return f"−{text}" if bound < 0 else text
