"""Why a turn is not started, in words for the person who sent it."""

from providers.errors import ChatsiteError


class TurnRefused(ChatsiteError):
    """Nothing was sent, stored or charged; the text stays with whoever wrote it."""

    status = 422
    code = "refused"


class LedgerUnavailable(ChatsiteError):
    """The database does not answer: nothing is sent for free."""

    status = 503
    code = "ledger_unavailable"


class AnswerTooLong(ChatsiteError):
    """More came than was asked for, and than credits were held for."""

    status = 502
    code = "answer_too_long"
