"""Why a turn is not started, in words for the person who sent it."""

from providers.errors import ChatsiteError


class TurnRefused(ChatsiteError):
    """Nothing was sent, stored or charged; the text stays with whoever wrote it."""

    status = 422
    code = "refused"
