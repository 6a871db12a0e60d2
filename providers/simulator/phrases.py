"""The stock phrases of the simulated upstream. `{topic}` is the user's subject, `{word}` one of the user's words."""

HONEST = "This is the simulated upstream: the text above was put together from stock phrases, no model wrote it."
HONEST_FIRST = "This is the simulated upstream: stock phrases follow, no model wrote them."
HONEST_REASONING = "(Simulated reasoning.)"

OPENINGS = (
    "You asked about **{topic}**. Here is a short tour, from the plain answer to the details.",
    "Good question. The heart of *{topic}* is smaller than it looks, so let us start there and work outwards. 🙂",
    "Let's take **{topic}** one step at a time; {word} is where most of the confusion begins.",
    "In short: `{word}` matters most here. The longer answer to “{topic}” needs three steps.",
)
HEADINGS = (
    "What it comes down to",
    "Step by step",
    "A closer look at {word}",
    "In practice",
    "Where {word} goes wrong",
)
POINTS = (
    "**Start small.** Try {word} with one example before you plan the rest.",
    "Write down what you expect, then compare it with what really happens.",
    "Keep `{word}` and everything around it in one place, so that there is one thing to change.",
    "Ask who else depends on {word}; a surprise costs more than a question.",
    "Measure *before* and *after*: without both numbers, nobody can tell.",
    "Stop when it is good enough, and say so in writing. ✅",
    "Look at the edge cases: nothing at all, exactly one, very many.",
)
SENTENCES = (
    "Most of the work around {word} is deciding what can be left out.",
    "A useful way to see it is to follow one request from its beginning to its end.",
    "There are two honest answers here, and which one fits depends on how often {word} changes.",
    "If the first attempt feels complicated, the question was probably two questions.",
    "It helps to name the parts, because `{word}` means something else to everybody in the room.",
    "The numbers are easy to check by hand: 12 × 34 = 408, and half of that is 204.",
    "Nothing here is specific to one tool, so the same idea carries over to the next project.",
    "When in doubt, choose the version of {word} that is easier to undo.",
    "A second reader finds in ten minutes what the first one missed for a week.",
)
# From long to short, down to one token, so that any length can end with the end of a sentence.
CLOSINGS = (
    "The rest is a matter of habit and time.",
    "That is most of what there is to it.",
    "The rest follows from there.",
    "Try it once and see.",
    "Start with that.",
    "That helps.",
    "Good.",
    "🌱",
)
QUOTES = (
    "> A small thing that works beats a large thing that is about to.",
    "> First make {word} correct, then make it quick, and only then make it pretty.",
)
TABLES = (
    "| Option | Effort | When it fits |\n|:--|--:|:--|\n| Leave {word} alone | 0 h | nobody has complained |\n"
    "| Change a part of it | 2 h | one clear problem |\n| Start again | 16 h | the second clear problem |",
    "| Step | Input | Result |\n|---|---|---|\n| 1 | `{word}` | a list |\n| 2 | the list | a number |\n"
    "| 3 | the number | a decision |",
)
CODES = (
    """```python
def explain(subject: str, steps: int = 3) -> list[str]:
    \"\"\"Say it again, a little shorter each time.\"\"\"
    return [subject[: len(subject) // step] for step in range(1, steps + 1)]


print(explain("{word}"))
```""",
    """```python
from collections import Counter

words = Counter("{word} and more {word}".split())
for word, times in words.most_common():
    if times > 1:
        print(f"{{word}}: {{times}}")  # <b>not</b> markup & not a tag
```""",
)
CHINESE = (
    "用一句话来说：关于“{topic}”，先从最简单的例子开始，再慢慢推广。这样既清楚，又容易检查。",
    "日本語でひとこと：「{topic}」は、小さな例から始めると分かりやすいです。🌱",
)
REASONING = (
    "The user asks about {topic}.",
    "Let me first see what is really being asked; the word {word} could be read in two ways.",
    "The simple reading is more likely, so I will answer that one and mention the other.",
    "A list would be clear here, perhaps with a small example after it.",
    "Wait, I should check the edge case where there is nothing at all.",
    "With nothing given, the answer is still the same, so the argument holds.",
    "What would the user do next? Probably try it with {word}, so an example helps.",
    "I should keep it short and not repeat the question.",
)
