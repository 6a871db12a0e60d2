"""Brings the database in line with a catalogue: deployments, prices, keys. Says what it did, line by line."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max

from accounts.models import Group
from billing.models import Price
from billing.money import plain
from billing.services import current_prices, set_price
from panel.catalog_file import CatalogError, Entry, read
from providers import vault
from providers.errors import InvalidRequest, UpstreamUnavailable
from providers.models import Deployment, Model, UpstreamKey
from providers.services import remove_key, save_key

SHIPPED = Path(__file__).with_name("catalog.toml")
CREATED, CHANGED, UNCHANGED, STORED = "created", "changed", "unchanged", "stored"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the plan: what became of a deployment, a price or a key."""

    kind: str
    subject: str
    state: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind:<10} {self.subject}: {self.state}" + (f" ({self.detail})" if self.detail else "")


@dataclass(slots=True)
class Known:
    """What the database holds, read once for a whole file."""

    models: dict[str, Model]
    deployments: list[Deployment]
    prices: dict[UUID, Price]
    keys: list[UpstreamKey]
    claimed: set[UUID] = field(default_factory=set)

    def has_key(self, deployment: Deployment) -> bool:
        return any(key.deployment_id == deployment.pk for key in self.keys)


def load_shipped_catalogue() -> list[Line]:
    """Add what is missing of the models that come with the site; four queries when nothing is."""
    return apply(read(SHIPPED), shipped=True)


def apply(entries: Sequence[Entry], *, shipped: bool = False, dry_run: bool = False) -> list[Line]:
    """Apply all entries or, on a CatalogError, none. `shipped`: create what is missing and change nothing else."""
    with transaction.atomic():
        known = _known()
        lines = [line for entry in entries for line in _apply_entry(entry, known, shipped)]
        if dry_run:
            transaction.set_rollback(True)
    return lines


def _known() -> Known:
    deployments = list(Deployment.objects.select_related("model"))
    return Known(
        models={model.name: model for model in Model.objects.all()},
        deployments=deployments,
        prices=current_prices([deployment.pk for deployment in deployments]),
        keys=list(UpstreamKey.objects.filter(owner=None)),
    )


def _apply_entry(entry: Entry, known: Known, shipped: bool) -> list[Line]:
    deployment = _shipped_row(entry, known) if shipped else _row(entry, known)
    if deployment is None:
        deployment = _create(entry, known, shipped)
        lines = [Line("deployment", _title(deployment), CREATED)]
        lines.append(_price(entry, deployment, None, shipped))
    elif shipped:
        lines = [Line("deployment", _title(deployment), UNCHANGED)]
    else:
        lines = [_update(entry, deployment), _price(entry, deployment, known.prices.get(deployment.pk), shipped)]
    known.claimed.add(deployment.pk)
    return [*lines, _key(entry, deployment, known, shipped)]


def _title(deployment: Deployment) -> str:
    return f"{deployment.model.name} at {deployment.base_url}"


def _shipped_row(entry: Entry, known: Known) -> Deployment | None:
    """The row this entry once made, wherever an admin has moved it since."""
    mine = (row for row in known.deployments if row.documented and row.dialect == entry.dialect)
    return next((row for row in mine if row.model.name == entry.model), None)


def _row(entry: Entry, known: Known) -> Deployment | None:
    """The same place, or else a shipped deployment that only waits for an address and a key."""
    of_model = [row for row in known.deployments if row.model.name == entry.model and row.dialect == entry.dialect]
    for row in of_model:
        if (row.base_url, row.upstream_model) == (entry.address, entry.name_there):
            return row
    waiting = (row for row in of_model if row.documented and row.pk not in known.claimed and not known.has_key(row))
    return next(waiting, None)


def _create(entry: Entry, known: Known, shipped: bool) -> Deployment:
    model = known.models.get(entry.model) or _create_model(entry)
    known.models[entry.model] = model
    return Deployment.objects.create(
        model=model,
        dialect=entry.dialect,
        base_url=entry.address,
        upstream_model=entry.name_there,
        context_window=entry.context_window,
        max_output=entry.max_output,
        position=entry.order or 0,
        enabled=entry.enabled is not False,
        needs_key=entry.needs_key is not False,
        documented=shipped,
    )


def _create_model(entry: Entry) -> Model:
    last = Model.objects.aggregate(last=Max("position"))["last"] or 0
    model = Model.objects.create(
        name=entry.model,
        title=entry.title or entry.model,
        description=entry.description or "",
        dialect=entry.dialect,
        **_abilities(entry),
        position=last + 10 if entry.order is None else entry.order,
    )
    _open_to(entry, model)
    return model


def _abilities(entry: Entry) -> dict[str, bool]:
    named = entry.abilities or ()
    return {"thinks": "thinking" in named, "uses_tools": "tools" in named, "writes_json": "json" in named}


def _open_to(entry: Entry, model: Model) -> list[str]:
    """Open the model to just the groups that the file names, making those that are missing; says what changed."""
    if entry.groups is None:
        return []
    before, wanted = sorted(model.groups.values_list("name", flat=True)), sorted(set(entry.groups))
    if before == wanted:
        return []
    model.groups.set([Group.objects.get_or_create(name=name)[0] for name in wanted])
    return [f"groups {', '.join(before) or 'everybody'} → {', '.join(wanted) or 'everybody'}"]


def _update(entry: Entry, deployment: Deployment) -> Line:
    wanted: dict[str, Any] = {
        "base_url": entry.address,
        "upstream_model": entry.name_there,
        "context_window": entry.context_window,
        "max_output": entry.max_output,
        "position": entry.order,
        "enabled": entry.enabled,
        "needs_key": entry.needs_key,
    }
    shown: dict[str, Any] = {
        "title": entry.title,
        "description": entry.description,
    } | ({} if entry.abilities is None else _abilities(entry))
    changes = _change(deployment, wanted) + _change(deployment.model, shown) + _open_to(entry, deployment.model)
    return Line("deployment", _title(deployment), CHANGED if changes else UNCHANGED, ", ".join(changes))


def _change(row: Deployment | Model, wanted: dict[str, Any]) -> list[str]:
    """Save the fields that the file names and that differ; says which."""
    differing = {name: value for name, value in wanted.items() if value is not None and getattr(row, name) != value}
    changes = [f"{name} {getattr(row, name)} → {value}" for name, value in differing.items()]
    if differing:
        for name, value in differing.items():
            setattr(row, name, value)
        row.save(update_fields=list(differing))
    return changes


def _price(entry: Entry, deployment: Deployment, current: Price | None, shipped: bool) -> Line:
    if not shipped and not entry.priced:
        raise CatalogError(f"{entry.model}: input_price and output_price are missing. Write 0 for a free one.")
    source = Price.Source.ADMIN
    if shipped:
        source = Price.Source.DOCUMENTED if entry.priced else Price.Source.DEMO
    input, output, cached, reasoning = entry.prices
    words = f"{plain(input)} in, {plain(output)} out per million"
    # A demo price never serves a real key, so that the same numbers from a file of one's own are a new version.
    if current and current.source != Price.Source.DEMO and _amounts(current) == entry.prices:
        return Line("price", entry.model, UNCHANGED, words)
    set_price(
        deployment=deployment, input=input, output=output, cached_input=cached, reasoning=reasoning, source=source
    )
    return Line("price", entry.model, CHANGED if current else CREATED, words)


def _amounts(price: Price) -> tuple[int, int, int | None, int | None]:
    return price.input, price.output, price.cached_input, price.reasoning


def _key(entry: Entry, deployment: Deployment, known: Known, shipped: bool) -> Line:
    plain_key = os.environ.get(entry.key_env, "").strip() if entry.key_env else ""
    if not plain_key:
        return Line("key", entry.model, _without_key(entry, deployment, known, shipped))
    ours = [key for key in known.keys if key.deployment_id == deployment.pk]
    if ours and shipped:
        return Line("key", entry.model, UNCHANGED, "as saved")
    if any(_holds(key, deployment, plain_key) for key in ours):
        return Line("key", entry.model, UNCHANGED, entry.key_env)
    try:
        saved = save_key(deployment=deployment, plain=plain_key, owner=None)
    except InvalidRequest as error:
        raise CatalogError(f"{entry.model}: {entry.key_env} cannot be saved. {error.message}") from error
    replaced = [key for key in ours if key.pk != saved.pk]
    for key in replaced:
        remove_key(key=key)
    known.keys = [key for key in known.keys if key not in replaced] + [saved]
    instead = "".join(f", instead of …{key.last_four}" for key in replaced)
    return Line("key", entry.model, STORED, f"…{saved.last_four} from {entry.key_env}{instead}")


def _holds(key: UpstreamKey, deployment: Deployment, plain_key: str) -> bool:
    """Whether the row opens, for the host it is served at now, to this very key."""
    key.deployment = deployment
    try:
        return vault.open_key(key) == plain_key
    except UpstreamUnavailable:
        return False


def _without_key(entry: Entry, deployment: Deployment, known: Known, shipped: bool) -> str:
    if entry.key_env and not shipped:
        raise CatalogError(f"{entry.model}: the environment variable {entry.key_env} is not set.")
    if known.has_key(deployment):
        return f"{UNCHANGED}, as saved"
    if not deployment.needs_key:
        return "none needed"
    what_now = "stays simulated" if deployment.documented else "add a key in the admin"
    return f"{entry.key_env} is not set: {what_now}" if entry.key_env else f"none named: {what_now}"
