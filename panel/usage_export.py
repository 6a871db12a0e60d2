"""A person's charges and grants as CSV: exact amounts, times in UTC, written while it is read."""

import csv
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from io import StringIO

from asgiref.sync import sync_to_async

from billing.models import Transfer, UsageRecord
from billing.money import plain
from billing.receipts import PURPOSES, receipt
from panel.usage_rows import Choice, Entry

HEAD = [
    *("time", "kind", "purpose", "model", "tokens_in", "cached_in", "tokens_out", "reasoning", "source", "outcome"),
    *("own_key", "simulated", "charged_credits", "given_credits", "explanation", "number"),
]
# A spreadsheet takes what begins like this for a formula, some also in its full-width form.
FORMULA = tuple("=+-@＝＋－＠\t\r\n")  # noqa: RUF001


async def lines(choice: Choice) -> AsyncIterator[str]:
    """The file, a batch of rows at a time; between two of them nothing is held in memory or in the database."""
    yield _csv([HEAD])
    batches = choice.batches()
    while batch := await sync_to_async(lambda: next(batches, None))():
        yield _csv(_row(entry) for entry in batch)


def _csv(rows: Iterable[list[str]]) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _row(entry: Entry) -> list[str]:
    return _of_record(entry.record) if entry.record else _of_transfer(entry.transfer) if entry.transfer else []


def _of_record(record: UsageRecord) -> list[str]:
    said = receipt(record)
    return [
        _moment(record.created),
        "usage",
        harmless(PURPOSES.get(record.purpose, record.purpose)),
        harmless(record.model_name),
        *map(str, (record.prompt_tokens, record.cached_tokens, record.completion_tokens, record.reasoning_tokens)),
        record.source,
        record.outcome,
        *("yes" if flag else "no" for flag in (record.own_key, record.simulated)),
        plain(record.charge),
        "",
        harmless(" ".join([said.words.rstrip(".") + ".", *said.sentences])),
        str(record.pk),
    ]


def _of_transfer(transfer: Transfer) -> list[str]:
    given = [plain(transfer.amount), harmless(transfer.reason), str(transfer.pk)]
    return [_moment(transfer.created), transfer.kind, *[""] * 11, *given]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def harmless(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) else text
