"""The order in which a model's deployments are tried."""

from django.db import transaction

from providers.models import Deployment


@transaction.atomic
def move(*, deployment: Deployment, up: bool) -> tuple[int, int]:
    """Let it change places with its neighbour, if it has one; its place then, from 1, and how many there are.

    The positions of the model's deployments are 0, 1, 2 … afterwards, whatever they were.
    """
    ordered = list(Deployment.objects.select_for_update().filter(model=deployment.model_id).order_by("position", "pk"))
    here = next(place for place, each in enumerate(ordered) if each.pk == deployment.pk)
    there = min(max(here + (-1 if up else 1), 0), len(ordered) - 1)
    ordered[here], ordered[there] = ordered[there], ordered[here]
    for place, each in enumerate(ordered):
        if each.position != place:
            Deployment.objects.filter(pk=each.pk).update(position=place)
    return there + 1, len(ordered)
