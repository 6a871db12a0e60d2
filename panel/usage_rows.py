"""Everything that moved a person's credits, newest first and paged by key: charges, grants, and what was free."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from billing.models import Account, Transfer, UsageRecord
from panel.usage_month import Month

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Key:
    """A place in the list: what comes after it is older, or as old with a smaller id."""

    created: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{(self.created - EPOCH) // timedelta(microseconds=1)}-{self.id.hex}"

    @property
    def older(self) -> Q:
        # The first condition is the second's own bound; said alone, an index can begin there.
        return Q(created__lte=self.created) & (Q(created__lt=self.created) | Q(id__lt=self.id))


def key_from(text: str) -> Key | None:
    """The key that an address names, or None."""
    found = re.fullmatch(r"(\d{1,16})-([0-9a-f]{32})", text, re.ASCII)
    return Key(EPOCH + timedelta(microseconds=int(found[1])), UUID(found[2])) if found else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A usage record, or credits that were given."""

    record: UsageRecord | None = None
    transfer: Transfer | None = None

    @property
    def key(self) -> Key:
        row = self.record or self.transfer
        assert row  # noqa: S101 one of the two is there
        return Key(row.created, row.pk)


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose rows, and which: of a month or of all time, of one model or of all. A model has no grants."""

    wallet: Account
    month: Month | None = None
    model: str = ""

    @property
    def _bounds(self) -> dict[str, Any]:
        return {"created__gte": self.month.start, "created__lt": self.month.end} if self.month else {}

    def entries(self, after: Key | None, most: int) -> list[Entry]:
        """Up to `most` entries that follow the key, or the newest. At most two queries, each as long as the page."""
        place = after.older if after else Q()
        records = UsageRecord.objects.filter(place, user=self.wallet.user_id, **self._bounds)
        if self.model:
            records = records.filter(model_name=self.model)
        newest = records.select_related("hold", "price").order_by("-created", "-id")
        found = [Entry(record=record) for record in newest[:most]]
        if not self.model:
            given = Transfer.objects.filter(place, credit=self.wallet, **self._bounds).order_by("-created", "-id")
            found += [Entry(transfer=transfer) for transfer in given[:most]]
        return sorted(found, key=lambda entry: (entry.key.created, entry.key.id), reverse=True)[:most]

    def batches(self) -> Iterator[list[Entry]]:
        """All of them, so many at a time."""
        after = None
        while batch := self.entries(after, BATCH):
            yield batch
            after = batch[-1].key
