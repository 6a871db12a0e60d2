"""Many threads at once: a turn is one turn, whoever asks for it and how often."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from django.db import connection

from billing.models import Hold, Transfer
from billing.services import wallet_of
from conversations import leases, runs
from conversations.errors import TurnRefused
from conversations.models import Conversation, Generation, Message
from conversations.protocol import Params
from conversations.services import delete_conversation
from conversations.turns import ask_again, start, start_turn
from tests.factories import make_user
from tests.live.test_endings import begin, ended

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _swept(transactional_db, _the_ledger_is_sound_and_nothing_is_left_open):
    yield
    leases.sweep(alone=True)


def at_once(times, act):
    """The results of `act(number)`, called by so many threads at the same moment; a refusal is its code."""
    gate = threading.Barrier(times)

    def one(number):
        try:
            gate.wait(timeout=20)
            return act(number)
        except TurnRefused as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def send(user, model, client_id=None, conversation=None, text="Hello"):
    values = {"conversation_id": conversation, "parent_id": None, "text": text, "model_name": model.name}
    return start_turn(user=user, **values, params=Params(), client_id=client_id or uuid4())


def test_the_same_send_from_many_tabs_is_one_turn(alice, model):
    client_id = uuid4()
    started = at_once(12, lambda _: send(alice, model, client_id))
    assert len({turn.generation.pk for turn in started}) == 1
    assert [turn.is_new for turn in started].count(True) == 1
    assert (Conversation.objects.count(), Message.objects.count(), Hold.objects.count()) == (1, 2, 1)


def test_the_same_answer_regenerated_from_many_tabs_is_written_once(alice, model):
    first = begin(alice, model)
    runs.finish_turn(first, ended(Generation.Status.DONE))
    again = {"user": alice, "message_id": first.answer_id, "model_name": None, "params": Params()}
    results = at_once(12, lambda _: start(ask_again(**again, client_id=uuid4())))
    assert results.count("already_running") == 11
    assert Message.objects.filter(parent=first.prompt_id).count() == 2
    assert Hold.objects.filter(state="open").count() == 1


def test_a_new_person_s_first_sends_at_once_all_begin(upstream, model, settings):
    settings.SIMULATOR_URL, settings.STARTING_CREDITS = upstream.url, "1"
    dave = make_user("dave@example.org")
    started = at_once(10, lambda number: send(dave, model, text=f"Hello {number}"))
    assert len({turn.generation.pk for turn in started}) == 10
    assert Transfer.objects.get().amount == wallet_of(dave).posted == 10**9
    assert wallet_of(dave).held == sum(Hold.objects.values_list("amount", flat=True))


def test_thirty_turns_at_once_are_all_stored(alice, model):
    started = at_once(30, lambda number: send(alice, model, text=f"Hello {number}"))
    assert len({turn.generation.pk for turn in started}) == Hold.objects.filter(state="open").count() == 30


def test_a_chat_is_deleted_or_continued_but_not_both(alice, model):
    for _ in range(5):
        chat = Conversation.objects.create(owner=alice, title="Lamb, two ways")
        deeds = [lambda chat=chat: delete_conversation(conversation=chat)]
        deeds += [lambda chat=chat: send(alice, model, conversation=chat.pk)]
        at_once(2, lambda number, deeds=deeds: deeds[number]())
        open_holds = set(Hold.objects.filter(state="open").values_list("subject", flat=True))
        assert open_holds == {run.subject for run in Generation.objects.all()}
