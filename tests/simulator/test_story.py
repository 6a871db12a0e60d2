"""The prose of the simulated upstream."""

import re

import pytest

from providers.simulator.pieces import split
from providers.simulator.story import Story

QUESTIONS = ["Explain sockets", "", "相对论是什么？", "`{x}` | <b> [[", "word " * 500, "🙂", "x" * 5000]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("length", [0, 5, 18, 60, 333])
def test_an_answer_has_exactly_the_length_asked_for(question, length):
    answer = Story(question).answer(length)
    assert len(answer) == length
    assert split("".join(answer)) == answer


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_answer_says_who_is_speaking(question):
    text = "".join(Story(question).answer(200))
    assert text.splitlines()[-1].startswith("*This is the simulated upstream: ")
    first = "".join(Story(question).answer(200, honest_first=True))
    assert first.startswith("This is the simulated upstream: ")


@pytest.mark.parametrize("length", range(40, 160))
def test_an_answer_ends_with_a_whole_sentence_before_it_says_who_is_speaking(length):
    lines = "".join(Story("Why?").answer(length)).splitlines()
    assert re.search(r"[.!?。:✅🙂🌱|>`]$|^## ", lines[-3])


def test_a_very_short_answer_ends_with_a_whole_sentence():
    assert {"".join(Story("Why?").answer(length))[-1] for length in range(15, 23)} == {".", "🌱"}


def test_a_usual_answer_has_80_to_400_tokens():
    lengths = [Story(f"Question {number}").usual_length() for number in range(200)]
    assert (min(lengths) >= 80, max(lengths) <= 400, len(set(lengths)) > 100) == (True, True, True)


def test_a_long_answer_has_every_kind_of_markdown():
    text = "".join(Story("Explain how sockets work in Python").answer(1500))
    wanted = [r"^## \d", r"^(- |1\. )", r"^\|[-:]", r"^```python\n", r"^```$", r"\*\*.+?\*\*", "`[a-z]+`", r"^> "]
    assert [pattern for pattern in wanted if not re.search(pattern, text, re.MULTILINE)] == []
    assert text.count("```") % 2 == 0


def test_a_question_in_chinese_gets_some_chinese():
    assert "相对论是什么" in "".join(Story("相对论是什么").answer(400))


def test_the_same_question_gets_the_same_answer_and_its_variant_another():
    assert Story("Why?").answer(100) == Story("Why?").answer(100)
    assert Story("Why?").answer(100) != Story("Why?", variant=1).answer(100)


def test_reasoning_has_exactly_the_length_asked_for():
    assert [len(Story("Why?").reasoning(length)) for length in (0, 1, 50, 500)] == [0, 1, 50, 500]


@pytest.mark.parametrize(
    "text", ["", "  a  b\n\n", "漢字 and ひらがな。", "🙂🙂🙂🙂🙂", "a" * 100, "</s>", "\u2028\x00\ud800"]
)
def test_pieces_join_to_the_text_again(text):
    assert "".join(split(text)) == text


def test_pieces_are_words_with_the_space_before_them():
    assert split("Hello, big world! 漢字") == ["Hello", ",", " big", " world", "!", " 漢", "字"]
    assert split("internationalisation") == ["internationalisa", "tion"]


@pytest.mark.parametrize("question", ["What is TCP?", "Explain TCP.", "TCP...", "TCP?!", "TCP是什么？"])
def test_a_topic_brings_no_full_stop_of_its_own(question):
    texts = ["".join(Story(question, variant=variant).answer(400)) for variant in range(20)]
    reasoning = "".join(Story(question).reasoning(200))
    assert [found for text in [*texts, reasoning] for found in re.findall(r".{10}[.?!？][*”」]*[.,。]", text)] == []
    assert reasoning.startswith(f"(Simulated reasoning.) The user asks about {question.rstrip('.?!？')}.\n")


def test_a_question_of_marks_alone_is_a_message():
    assert "asks about your message." in "".join(Story("???").reasoning(20))
