"""What the chat's pages read: the branch in view, the list of chats, the models to choose from."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.models import User
from billing.errors import NotPriced
from billing.models import Price, UsageRecord
from billing.offers import offers
from billing.pricing import Rates
from billing.services import current_prices
from conversations.models import Conversation, Generation, Message
from conversations.parameters import fields_of
from providers.endpoints import Endpoint, places
from providers.errors import UpstreamUnavailable
from providers.health import NOT_CHECKED, Health, health_of_models
from providers.models import Model

CHATS_LISTED = 150


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """A message with what happened to it. Versions are the messages with the same parent, oldest first, from 1."""

    message: Message
    generation: Generation | None
    usage: UsageRecord | None
    version: int
    versions: int
    previous_id: UUID | None
    next_id: UUID | None

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens by the time between the first token and the end; None for an answer that came at one go."""
        run = self.generation
        if not run or not self.usage or not run.first_token or not run.finished:
            return None
        seconds = (run.finished - run.first_token).total_seconds()
        return self.usage.completion_tokens / seconds if seconds > 0.25 else None

    @property
    def failed_attempts(self) -> list[str]:
        """What went wrong before this came, one sentence for each try; empty when the first one did.

        What to do about it, which the message goes on to say, is for whoever got no answer.
        """
        attempts = self.usage.attempts if self.usage else []
        failed = [each for each in attempts if each["result"] not in ("ok", "stopped")]
        said = [each.get("problem") or each["result"] for each in failed] if len(attempts) > 1 else []
        return [f"{words.partition('. ')[0].rstrip('.')}." for words in said]

    @property
    def thought_seconds(self) -> float | None:
        """How long the model reasoned before it began to write."""
        milliseconds = self.generation.thought_ms if self.generation else None
        return None if milliseconds is None else milliseconds / 1000


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model as the picker shows it: where it is asked first, at what rates, or the reason why it cannot be.

    `settable` names the parameters that its form has.
    """

    model: Model
    endpoint: Endpoint | None
    rates: Rates | None
    reason: str
    settable: tuple[str, ...]
    health: Health

    @property
    def available(self) -> bool:
        return not self.reason

    @property
    def input_price(self) -> int | None:
        return self.rates.input if self.rates else None

    @property
    def output_price(self) -> int | None:
        return self.rates.output if self.rates else None

    @property
    def context(self) -> int:
        return self.endpoint.deployment.context_window if self.endpoint else 0

    @property
    def simulated(self) -> bool:
        return self.endpoint is not None and self.endpoint.simulated

    @property
    def own_key(self) -> bool:
        return self.endpoint is not None and self.endpoint.own_key

    @property
    def abilities(self) -> list[str]:
        """What it can do besides writing, as badges say it."""
        model = self.model
        able = {"Thinking": model.thinks, "Tools": model.uses_tools, "JSON": model.writes_json}
        return [name for name, can in able.items() if can]

    @property
    def is_free(self) -> bool:
        """Nothing is charged here: the price is nothing, or the member's own key is used."""
        return not self.input_price and not self.output_price


@dataclass(frozen=True, slots=True)
class ChatGroup:
    """A heading of the sidebar with its chats, newest first; each has `is_running`."""

    title: str
    chats: list[Conversation]


def thread_of(conversation: Conversation) -> list[ThreadMessage]:
    """The branch that ends in the conversation's leaf, from the first message on. Three queries."""
    tree = _Tree(conversation.pk)
    return _thread_messages(tree, tree.path_to(conversation.leaf_id or tree.newest))


def thread_message(message: Message) -> ThreadMessage:
    """One message as the thread shows it."""
    return _thread_messages(_Tree(message.conversation_id), [message.pk])[0]


def newest_leaf_under(message: Message) -> UUID:
    """Where the branch through `message` was last continued."""
    return _Tree(message.conversation_id).newest_leaf(message.pk)


class _Tree:
    """The ids of a conversation's messages, without their texts."""

    def __init__(self, conversation: UUID) -> None:
        rows = Message.objects.filter(conversation=conversation).order_by("created", "id")
        self.parents: dict[UUID, UUID | None] = dict(rows.values_list("pk", "parent_id"))
        self.children: dict[UUID | None, list[UUID]] = defaultdict(list)
        for message, parent in self.parents.items():
            self.children[parent].append(message)

    @property
    def newest(self) -> UUID | None:
        return next(reversed(self.parents), None)

    def path_to(self, message: UUID | None) -> list[UUID]:
        path = []
        while message is not None:
            path.append(message)
            message = self.parents[message]
        return path[::-1]

    def newest_leaf(self, message: UUID) -> UUID:
        while self.children[message]:
            message = self.children[message][-1]
        return message

    def siblings(self, message: UUID) -> list[UUID]:
        return self.children[self.parents[message]]


def _thread_messages(tree: _Tree, ids: list[UUID]) -> list[ThreadMessage]:
    messages = Message.objects.select_related("generation__model").in_bulk(ids)
    subjects = [run.subject for message in messages.values() if (run := _run_of(message))]
    usages = {usage.subject: usage for usage in UsageRecord.objects.filter(subject__in=subjects)}
    return [_thread_message(messages[id], tree.siblings(id), usages) for id in ids]


def _thread_message(message: Message, siblings: list[UUID], usages: dict[str, UsageRecord]) -> ThreadMessage:
    run = _run_of(message)
    place = siblings.index(message.pk)
    return ThreadMessage(
        message=message,
        generation=run,
        usage=usages.get(run.subject) if run else None,
        version=place + 1,
        versions=len(siblings),
        previous_id=siblings[place - 1] if place else None,
        next_id=siblings[place + 1] if place + 1 < len(siblings) else None,
    )


def _run_of(message: Message) -> Generation | None:
    return getattr(message, "generation", None)


def chat_groups(user: User, search: str = "") -> list[ChatGroup]:
    """The person's chats under Today, Yesterday and so on, or those whose title holds `search`. One query."""
    running = Generation.objects.filter(conversation=OuterRef("pk"), status__in=Generation.UNFINISHED)
    chats = Conversation.objects.visible_to(user).recent_first().annotate(is_running=Exists(running))
    if search:
        chats = chats.filter(title__icontains=search)
    groups: dict[str, list[Conversation]] = defaultdict(list)
    now = timezone.localtime()
    for chat in chats[:CHATS_LISTED]:
        groups[_age(chat.touched, now)].append(chat)
    return [ChatGroup(title, listed) for title, listed in groups.items()]


def _age(touched: datetime, now: datetime) -> str:
    days = (now.date() - timezone.localtime(touched).date()) // timedelta(days=1)
    if days < 1:
        return "Today"
    if days == 1:
        return "Yesterday"
    return "Previous 7 days" if days <= 7 else "Older"


def picker(user: User) -> list[ModelChoice]:
    """The enabled models in order, with what they cost this person and how they are doing.

    Five queries, however many there are; four while their health is known from a moment ago.
    """
    models = list(Model.objects.usable_by(user))
    listed = places(models, user)
    prices = current_prices([each.deployment.pk for endpoints in listed.values() for each in endpoints])
    health = health_of_models(listed)
    return [_choice(model, listed.get(model.pk, []), prices, health.get(model.pk, NOT_CHECKED)) for model in models]


def chosen(choices: Iterable[ModelChoice], preferred: Model | str | None) -> ModelChoice | None:
    """The preferred model (a row or a public name) if it can be used, else the first that can."""
    name = preferred.name if isinstance(preferred, Model) else preferred
    usable = [choice for choice in choices if choice.available]
    return next((choice for choice in usable if choice.model.name == name), usable[0] if usable else None)


def last_model(user: User) -> Model | None:
    """What this person used last."""
    latest = Conversation.objects.visible_to(user).exclude(model=None).recent_first().select_related("model").first()
    return latest.model if latest else None


def _choice(model: Model, listed: list[Endpoint], prices: dict[UUID, Price], health: Health) -> ModelChoice:
    endpoint, rates, reason = next(iter(listed), None), None, ""
    try:
        endpoint, rates = offers(model, listed, prices)[0]
    except NotPriced:
        reason = "No price"
    except UpstreamUnavailable:
        reason = "No key"
    settable = tuple(field.name for field in fields_of(model))
    return ModelChoice(model, endpoint, rates, reason, settable, health)
