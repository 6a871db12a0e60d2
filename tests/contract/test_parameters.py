"""The schemas as people read them: the parameter table, and the JSON schema of a body."""

from providers import dialects
from providers.dialects import Parameter, json_schema


def table(name: str) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in dialects.get(name).parameters()}


def test_the_names_of_all_parameters_in_the_order_of_the_documents():
    assert {name: list(table(name)) for name in ("eigenai", "thinking", "segmind")} == {
        "eigenai": [
            "model",
            "messages",
            "max_tokens",
            "chat_template_kwargs",
            "chat_template_kwargs.thinking",
            "reasoning_effort",
            "separate_reasoning",
            "temperature",
            "top_p",
            "top_k",
            "stream",
        ],
        "thinking": [
            "model",
            "messages",
            "thinking",
            "thinking.type",
            "thinking.budget_tokens",
            "temperature",
            "max_tokens",
            "stream",
        ],
        "segmind": ["messages"],
    }


def test_ranges_defaults_and_choices_are_those_of_the_schema():
    eigenai, thinking, deepinfra = table("eigenai"), table("thinking"), table("deepinfra")
    assert (eigenai["temperature"].default, eigenai["max_tokens"].default) == (0.7, 4096)
    assert eigenai["reasoning_effort"].choices == ("low", "medium", "high")
    assert thinking["thinking.budget_tokens"] == Parameter(
        "thinking.budget_tokens", "integer", "Maximum tokens for thinking", minimum=128, maximum=8192
    )
    assert (deepinfra["top_p"].exclusive_minimum, deepinfra["top_p"].maximum) == (0, 1)
    assert (deepinfra["top_k"].minimum, deepinfra["top_k"].exclusive_maximum) == (0, 1000)
    assert deepinfra["stop"].max_items == 16
    assert [parameter.name for parameter in deepinfra.values() if parameter.required] == ["model", "messages"]


def test_every_parameter_is_described_and_no_absent_default_is_shown():
    parameters = [parameter for name in dialects.DIALECTS for parameter in dialects.get(name).parameters()]
    assert [parameter.name for parameter in parameters if not parameter.description] == []
    assert "default" not in json_schema(dialects.get("thinking").Request)["properties"]["max_tokens"]
