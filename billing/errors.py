"""Why a request is not admitted, in words for the person who asked."""

from billing.money import plain
from providers.errors import ChatsiteError


class InsufficientCredits(ChatsiteError):
    """The hold cannot be placed. Amounts in nanocredits; `affordable` is how many output tokens the balance covers."""

    status = 402
    code = "insufficient_credits"

    def __init__(self, *, available: int, required: int, affordable: int) -> None:
        hint = (
            f"You can afford an answer of up to {affordable:,} tokens: lower “Max tokens”, or ask an admin for credits."
            if affordable > 0
            else "Ask an admin for credits."
        )
        super().__init__(
            f"Not sent: this can cost up to {plain(required)} credits and you have {plain(available)} available. {hint}"
        )
        self.available = available
        self.required = required
        self.affordable = affordable


class NotPriced(ChatsiteError):
    """Billed use of a deployment without a price."""

    status = 403
    code = "no_price"

    def __init__(self, model: str) -> None:
        super().__init__(f"Not sent: {model} has no price yet. Ask an admin to set one, or choose another model.")


class ContextTooLong(ChatsiteError):
    status = 400
    code = "context_length_exceeded"

    def __init__(self, *, prompt: int, context: int) -> None:
        super().__init__(
            f"Not sent: the conversation is about {prompt:,} tokens long and the model reads at most {context:,}. "
            "Shorten it, or start a new chat.",
            param="messages",
        )


class KeyReused(ChatsiteError):
    """The same idempotency key with other parameters."""

    status = 422
    code = "idempotency_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(f"The key {key} already stands for another transfer.")
