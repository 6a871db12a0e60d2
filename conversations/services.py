"""What people do to their chats, besides asking: rename, delete, choose a version."""

from django.db import transaction

from conversations.errors import TurnRefused
from conversations.models import Conversation, Generation, Message
from conversations.selectors import newest_leaf_under

LONGEST_TITLE = 200


def rename_conversation(*, conversation: Conversation, title: str) -> None:
    """Give the chat a title: one line, cut to what fits. An empty one changes nothing."""
    if title := " ".join(title.replace("\x00", "").split())[:LONGEST_TITLE]:
        conversation.title = title
        conversation.save(update_fields=["title"])


@transaction.atomic
def delete_conversation(*, conversation: Conversation) -> None:
    """Delete the chat with its messages; what they cost stays in the ledger. TurnRefused while an answer is written."""
    Conversation.objects.select_for_update().filter(pk=conversation.pk).first()  # no turn may begin meanwhile
    # A running answer holds credits, which only its end gives back.
    if Generation.objects.filter(conversation=conversation, status__in=Generation.UNFINISHED).exists():
        raise TurnRefused("An answer is still being written here. Stop it, then delete the chat.", code="running")
    conversation.delete()


def show_version(*, message: Message) -> None:
    """Show the branch through `message`, at the place where it was last continued."""
    conversation = message.conversation
    conversation.leaf_id = newest_leaf_under(message)
    conversation.save(update_fields=["leaf"])
