"""A site is killed at a fail point while it answers, and started again: what stands then."""

import json
import os
import signal
from dataclasses import dataclass
from uuid import uuid4

import pytest

from tests.deploy.person import ALICE, Person
from tests.site import STOP_SECONDS

# `make soak` kills more often.
TIMES = int(os.environ.get("SOAK_CRASHES", "1"))
# The token comes after 1.2 s, so that it is due to be saved at once, and the end with the usage 1.2 s behind it.
PROMPT = '[[say="Hello" chunk=400 pause=1.2]] Say hello'
MODEL = "deepseek-ai/DeepSeek-V3"
TURN = """
SELECT g.status, m.text, h.state, h.settled, u.outcome, u.source, u.prompt_tokens, u.completion_tokens, u.charge
FROM conversations_generation g
JOIN conversations_message m ON m.id = g.answer_id
JOIN billing_hold h ON h.created = (SELECT MAX(created) FROM billing_hold)
JOIN billing_usagerecord u ON u.hold_id = h.id
ORDER BY g.created DESC LIMIT 1
"""
WALLET = "SELECT posted, held FROM billing_account WHERE kind = 'wallet'"
ONCE = """
SELECT (SELECT COUNT(*) FROM billing_hold), (SELECT COUNT(*) FROM billing_usagerecord),
(SELECT COUNT(*) FROM billing_transfer WHERE kind = 'charge')
"""


@dataclass(frozen=True)
class Standing:
    """What a turn has come to. `tokens` are prompt and completion; `charge` in nanocredits."""

    status: str
    text: str
    hold: str
    source: str
    tokens: tuple[int, int]
    charge: int


NOTHING = Standing("interrupted", "", "voided", "counted", (0, 0), 0)
# By our own count of what was saved, at 850 and 900 nanocredits a token.
SAVED = Standing("interrupted", "Hello", "settled", "counted", (20, 1), 20 * 850 + 1 * 900)
WHOLE = Standing("done", "Hello", "settled", "reported", (23, 1), 23 * 850 + 1 * 900)
EXPECTED = {
    "after_hold": NOTHING,
    "after_started": NOTHING,
    "mid_stream": SAVED,
    "before_settle": SAVED,
    "inside_settle": SAVED,
    "after_settle": WHOLE,
}
each_crash = pytest.mark.parametrize("point", [point for point in EXPECTED for _ in range(TIMES)])


class Crashing:
    """A site with Alice, who has 1 credit, and a way to put questions to its database, also while it is dead."""

    def __init__(self, site, rows):
        self.site, self.rows = site, rows
        self.site.start()
        self.site.python(ALICE)
        self.alice = Person(site.url)
        assert self.alice.sign_in().status_code == 302
        self.site.stop()

    def close(self):
        self.alice.http.close()
        self.site.stop()

    def start(self, point=""):
        """With a fail point, or as an operator does."""
        self.site.environment |= {"FAIL_POINT": point, "FAIL_POINTS_ALLOWED": "1" if point else ""}
        self.site.stop()  # after a test that failed it may run still
        self.site.start()

    def die(self, point):
        """Send a message to a site that kills itself there; returns what ended it."""
        self.start(point)
        frame = {"type": "send", "text": PROMPT, "model": MODEL, "client_id": str(uuid4())}
        with self.alice.socket() as socket:
            socket.send(json.dumps(frame))
            return self.site.process.wait(STOP_SECONDS)

    def standing(self):
        """Of the last turn."""
        ((status, text, state, settled, outcome, source, prompt, completion, charge),) = self.rows(TURN)
        assert (outcome, settled) == (status, charge)
        return Standing(status, text, state, source, (prompt, completion), charge)

    def ask_again(self):
        with self.alice.socket() as socket:
            self.alice.send(socket, '[[speed=0 say="Again"]] Hello')
            ended = self.alice.until(socket, "turn.ended")
        return ended["status"], self.alice.text()


def survive(crashing, point):
    """Die at `point` and come back: text, state and money are what `docs/ledger.md` says, and the site goes on."""
    expected = EXPECTED[point]
    ((posted, _),), ((holds, records, charges),) = crashing.rows(WALLET), crashing.rows(ONCE)
    assert crashing.die(point) == -signal.SIGKILL
    crashing.start()
    standing = crashing.standing()
    assert standing == expected, standing
    assert crashing.rows(WALLET) == [(posted - expected.charge, 0)]
    assert crashing.rows(ONCE) == [(holds + 1, records + 1, charges + (expected.charge > 0))]
    again = crashing.ask_again()
    assert again == ("done", "Again"), again
    assert "sound" in crashing.site.command("audit_ledger")
    crashing.site.stop()
