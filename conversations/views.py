"""The chat's pages and the fragments that they fetch."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, cast
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from accounts.models import User
from accounts.zones import zone_of
from billing.services import wallet_of
from conversations import selectors, services
from conversations.errors import TurnRefused
from conversations.forms import ParametersQuery, TurnForm
from conversations.models import Conversation, Message
from conversations.parameters import ParameterForm, fields_of, read_posted, texts_of, texts_posted
from conversations.protocol import BadFrame
from conversations.turns import start_turn
from providers.errors import ChatsiteError
from providers.models import Model

P = ParamSpec("P")
STARTERS = [
    ("Explain a topic", "Explain how public-key cryptography works to someone who knows school mathematics."),
    ("Improve a text", "Make this text clearer and shorter, and keep its tone:\n\n"),
    ("Write some code", "Write a Python function that finds duplicate files in a folder, with tests."),
    ("Think it through", "Help me weigh up this decision. Ask me what you need to know first:\n\n"),
]


class PageRequest(HttpRequest):
    """A request of a signed-in person."""

    user: User
    htmx: HtmxDetails


def signed_in(
    view: Callable[Concatenate[PageRequest, P], HttpResponse],
) -> Callable[Concatenate[HttpRequest, P], HttpResponse]:
    """To the sign-in page without a session. A fragment's request moves the whole page there."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        asked = cast(PageRequest, request)
        if request.user.is_authenticated:
            with timezone.override(zone_of(request)):
                return view(asked, *args, **kwargs)
        if asked.htmx:
            return HttpResponseClientRedirect(redirect_to_login(asked.htmx.current_url_abs_path or "/").url)
        return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")

    return checked


@require_safe
@signed_in
def new_chat(request: PageRequest) -> HttpResponse:
    return chat_page(request, preferred=request.GET.get("model") or selectors.last_model(request.user))


@require_safe
@signed_in
def chat(request: PageRequest, pk: UUID) -> HttpResponse:
    return chat_page(request, conversation_for(request, pk))


def conversation_for(request: PageRequest, pk: UUID) -> Conversation:
    return get_object_or_404(Conversation.objects.visible_to(request.user).select_related("model"), pk=pk)


def message_for(request: PageRequest, pk: UUID) -> Message:
    mine = Conversation.objects.visible_to(request.user)
    return get_object_or_404(Message.objects.select_related("conversation"), pk=pk, conversation__in=mine)


def chat_page(
    request: PageRequest,
    conversation: Conversation | None = None,
    *,
    preferred: Model | str | None = None,
    draft: dict[str, str] | None = None,
    refusal: ChatsiteError | None = None,
    status: int = 200,
) -> HttpResponse:
    """The whole page: the list of chats, the branch in view, the composer."""
    choices = selectors.picker(request.user)
    chosen = selectors.chosen(choices, preferred or (conversation.model if conversation else None))
    thread_messages = selectors.thread_of(conversation) if conversation else []
    texts = texts_posted(draft) if draft else texts_of(conversation.params if conversation else {})
    context = {
        "conversation": conversation,
        "thread": thread_messages,
        "leaf": thread_messages[-1] if thread_messages else None,
        "choices": choices,
        "chosen": chosen,
        "form": ParameterForm.of(chosen.model if chosen else None, texts, refusal),
        "groups": selectors.chat_groups(request.user),
        "here": conversation and conversation.pk,
        "wallet": wallet_of(request.user),
        "greeting": greeting(timezone.localtime().hour) if "tz" in request.COOKIES else "Hello",
        "starters": STARTERS,
        "client_id": uuid4(),
        "draft": draft,
        "refusal": refusal,
    }
    return render(request, "conversations/chat.html", context, status=status)


def greeting(hour: int) -> str:
    if 5 <= hour < 12:
        return "Good morning"
    return "Good afternoon" if 12 <= hour < 18 else "Good evening"


@require_safe
@signed_in
def thread(request: PageRequest, pk: UUID) -> HttpResponse:
    return thread_fragment(request, conversation_for(request, pk))


def thread_fragment(request: PageRequest, conversation: Conversation) -> HttpResponse:
    return render(request, "conversations/_thread.html", {"thread": selectors.thread_of(conversation)})


@require_safe
@signed_in
def message(request: PageRequest, pk: UUID) -> HttpResponse:
    """One message as the thread shows it, or with `?as=text` as it was written."""
    asked = message_for(request, pk)
    if request.GET.get("as") == "text":
        return HttpResponse(asked.text, content_type="text/plain; charset=utf-8")
    shown = selectors.thread_message(asked)
    return render(request, "conversations/_message.html", {"each": shown})


@require_POST
@signed_in
def show(request: PageRequest, pk: UUID) -> HttpResponse:
    """Choose a version of a message."""
    chosen = message_for(request, pk)
    services.show_version(message=chosen)
    if request.htmx:
        return thread_fragment(request, chosen.conversation)
    return redirect("conversations:chat", chosen.conversation_id)


@require_safe
@signed_in
def sidebar(request: PageRequest) -> HttpResponse:
    query = request.GET.get("q", "").replace("\x00", "").strip()
    groups = selectors.chat_groups(request.user, query)
    return render(
        request, "conversations/_chat_rows.html", {"groups": groups, "query": query, "here": chat_in_view(request)}
    )


def chat_in_view(request: PageRequest) -> UUID | None:
    """The chat of the page that asks, from the address that htmx tells."""
    try:
        return resolve((request.htmx.current_url_abs_path or "/").partition("?")[0]).kwargs.get("pk")
    except Resolver404:
        return None


@require_safe
@signed_in
def parameters(request: PageRequest) -> HttpResponse:
    """The fields of one model, with what a chat's last turn was sent with."""
    query = ParametersQuery(request.GET)
    model = usable_model(request.user, query.cleaned_data["model"]) if query.is_valid() else None
    if model is None:
        raise Http404
    there = query.cleaned_data["conversation"]
    form = ParameterForm.of(model, texts_of(conversation_for(request, there).params if there else {}))
    return render(request, "conversations/_parameters.html", {"form": form, "model": model})


def usable_model(user: User, name: str) -> Model | None:
    return Model.objects.usable_by(user).filter(name=name).first()


@require_safe
@signed_in
def balance(request: PageRequest) -> HttpResponse:
    return render(request, "billing/_balance.html", {"wallet": wallet_of(request.user)})


@require_POST
@signed_in
def send_turn(request: PageRequest) -> HttpResponse:
    """Send without JavaScript: the same service as the socket's, then the chat, or the page with the text kept."""
    form = TurnForm(request.POST)
    try:
        started = start_from(form, request.user)
    except ChatsiteError as refusal:
        return refused_turn(request, form, refusal)
    return redirect("conversations:chat", started)


def start_from(form: TurnForm, user: User) -> UUID:
    """Start the turn that was posted and return its conversation's id, or raise a ChatsiteError."""
    if not form.is_valid():
        raise TurnRefused(form.first_error())
    values = form.cleaned_data
    model = usable_model(user, values["model"])
    try:
        params = read_posted(form.data, fields_of(model) if model else ())
    except BadFrame as error:
        raise TurnRefused(f"Not sent: {error}") from error
    started = start_turn(
        user=user,
        conversation_id=values["conversation"],
        parent_id=values["parent"],
        text=values["text"],
        model_name=values["model"],
        params=params,
        client_id=values["client_id"],
    )
    return started.generation.conversation_id


def refused_turn(request: PageRequest, form: TurnForm, refusal: ChatsiteError) -> HttpResponse:
    there = form.cleaned_data.get("conversation")
    mine = Conversation.objects.visible_to(request.user).select_related("model")
    return chat_page(
        request,
        mine.filter(pk=there).first() if there else None,
        preferred=form.data.get("model"),
        draft=request.POST.dict(),
        refusal=refusal,
        status=402 if refusal.status == 402 else 422,
    )


@require_POST
@signed_in
def rename(request: PageRequest, pk: UUID) -> HttpResponse:
    services.rename_conversation(conversation=conversation_for(request, pk), title=request.POST.get("title", ""))
    return redirect("conversations:chat", pk)


@require_POST
@signed_in
def delete(request: PageRequest, pk: UUID) -> HttpResponse:
    try:
        services.delete_conversation(conversation=conversation_for(request, pk))
    except TurnRefused as refusal:
        messages.error(request, refusal.message)
        return redirect("conversations:chat", pk)
    return redirect("conversations:new")
