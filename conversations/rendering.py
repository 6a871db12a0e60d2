"""Markdown to clean HTML. Model text is hostile: the sanitiser comes last, and nothing parses after it."""

import re
from collections.abc import Sequence
from typing import Any

import nh3
from django.utils.html import escape
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

TEXT_TAGS = {"a", "b", "br", "code", "del", "em", "i", "s", "span", "strong"}
BLOCK_TAGS = {"blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "ul"}
TABLE_TAGS = {"table", "tbody", "td", "th", "thead", "tr"}
ATTRIBUTES = {
    "a": {"href", "title"},
    "code": {"class"},
    "ol": {"start"},
    "span": {"class"},
    "td": {"align"},
    "th": {"align"},
}
# Pygments' short token names and the language label; no class of ours can be claimed by a model.
CLASSES = re.compile(r"[a-z]{1,2}[a-z0-9]?|language-[A-Za-z0-9_+#.-]{1,40}")
LONGEST_HIGHLIGHT = 40_000


def render(text: str) -> str:
    """Clean HTML of a whole message: only http, https and mailto links, no images, no styles, no scripts."""
    return nh3.clean(
        MARKDOWN.render(text.replace("\x00", "")),
        tags=TEXT_TAGS | BLOCK_TAGS | TABLE_TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_filter,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _filter(tag: str, attribute: str, value: str) -> str | None:
    if attribute == "class":
        return " ".join(name for name in value.split() if CLASSES.fullmatch(name)) or None
    return value


def _code(source: str, language: str, attributes: str) -> str:
    name = language.strip().split(" ")[0][:40]
    if not name or len(source) > LONGEST_HIGHLIGHT:
        return ""
    try:
        lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return ""
    return str(highlight(source, lexer, HtmlFormatter(nowrap=True)))


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """An image is shown as a link: fetching it would tell a stranger who reads this, and when."""
    token = tokens[index]
    return f'<a href="{escape(token.attrGet("src") or "")}">{escape(token.content or "image")}</a>'


def _cell(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """Alignment as an attribute: no style survives the sanitiser or the content security policy."""
    style = str(tokens[index].attrs.pop("style", ""))
    if style:
        tokens[index].attrSet("align", style.removeprefix("text-align:"))
    return renderer.renderToken(tokens, index, options, env)


def _markdown() -> MarkdownIt:
    options: dict[str, Any] = {"html": False, "linkify": False, "typographer": False, "highlight": _code}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"])
    parser.add_render_rule("image", _image)
    parser.add_render_rule("td_open", _cell)
    parser.add_render_rule("th_open", _cell)
    return parser


MARKDOWN = _markdown()
