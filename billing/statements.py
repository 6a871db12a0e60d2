"""The statements that move promises and credits, once, for SQLite and PostgreSQL alike.

Each is one conditional UPDATE: the database decides, and zero rows changed means no.
"""

from typing import Any, Final
from uuid import UUID

from django.db import connection

RESERVE: Final = """
UPDATE billing_account SET held = held + %(amount)s WHERE id = %(wallet)s AND posted - held >= %(amount)s
"""
CLOSE_HOLD: Final = """
UPDATE billing_hold SET state = %(state)s, settled = %(charge)s WHERE id = %(hold)s AND state = 'open'
"""
RELEASE: Final = """
UPDATE billing_account SET held = held - %(amount)s, posted = posted - %(charge)s WHERE id = %(wallet)s
"""
CREDIT: Final = """
UPDATE billing_account SET posted = posted + %(amount)s WHERE id = %(wallet)s AND kind = 'wallet'
"""


def run(statement: str, **values: Any) -> bool:
    """True when exactly one row was changed."""
    values = {name: value.hex if isinstance(value, UUID) else value for name, value in values.items()}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount == 1)
