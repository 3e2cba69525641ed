"""A conversation as a model reads it, and its tokens as text. Knows a tokenizer and no model.

The tokenizer's own chat template where there is one; it sets BOS itself. Else plain text: a conversation of
one message is that message, which a base model continues; a longer one is written as turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from saesteer.llms.client import Message, Refused
from saesteer.model.tokens import encode

_TURNS: Final = {"user": "User", "assistant": "Assistant"}
STOPS: Final = ("\nUser:", "\nAssistant:")
"""Where a base model goes on to write the next turn."""
_JOINT: Final = "\u2060"  # of no width; it keeps a special token's letters from being that token
_HALF: Final = "\ufffd"  # what half a character decodes to


def prompt_ids(
    tokenizer: Any, messages: Sequence[Message], vocabulary: int, options: Mapping[str, Any]
) -> list[int]:
    """The tokens of a conversation up to where the answer begins; `options` are the template's."""
    text = templated(tokenizer, messages, options)
    if text is None:
        plain = plain_text([Message(each.role, harmless(tokenizer, each.content)) for each in messages])
        return encode(tokenizer, [plain], True, None, vocabulary)[0]
    return [int(each) for each in tokenizer(text, add_special_tokens=False)["input_ids"]]


def templated(tokenizer: Any, messages: Sequence[Message], options: Mapping[str, Any]) -> str | None:
    """The conversation as the chat template writes it; None where there is none."""
    if not has_template(tokenizer):
        return None
    return _templated(
        tokenizer, [Message(each.role, harmless(tokenizer, each.content)) for each in messages], options
    )


def stops(tokenizer: Any, messages: Sequence[Message]) -> tuple[str, ...]:
    """Texts at which an answer ends, beside the model's end tokens."""
    return () if has_template(tokenizer) or len(messages) == 1 else STOPS


def has_template(tokenizer: Any) -> bool:
    return bool(getattr(tokenizer, "chat_template", None))


def plain_text(messages: Sequence[Message]) -> str:
    """A conversation for a model that knows no turns."""
    if len(messages) == 1:
        return messages[0].content
    turns = [
        f"{_TURNS[each.role]}: {each.content}" if each.role in _TURNS else each.content for each in messages
    ]
    return "\n\n".join([*turns, "Assistant:"])


def harmless(tokenizer: Any, text: str) -> str:
    """The text with special tokens in it broken up: examples are quoted, they do not end a turn."""
    for token in tokenizer.all_special_tokens:
        if len(token) > 1 and token in text:
            text = text.replace(token, token[0] + _JOINT + token[1:])
    return text


def _templated(tokenizer: Any, messages: Sequence[Message], options: Mapping[str, Any]) -> str:
    from jinja2.exceptions import TemplateError

    try:
        return _applied(tokenizer, messages, options)
    except TemplateError as error:
        if messages[0].role == "system" and len(messages) > 1:  # some templates know no system
            first = Message("user", f"{messages[0].content}\n\n{messages[1].content}")
            try:
                return _applied(tokenizer, [first, *messages[2:]], options)
            except TemplateError:
                pass
        raise Refused(f"the model's chat template does not take this conversation: {error}") from error


def _applied(tokenizer: Any, messages: Sequence[Message], options: Mapping[str, Any]) -> str:
    """Templates of models that also see pictures read messages in parts and write nothing of plain texts."""
    from jinja2.exceptions import TemplateError

    last = messages[-1].content.strip()
    text = _written(tokenizer, [(each.role, each.content) for each in messages], options)
    if last in text:
        return text
    parts = [(each.role, [{"type": "text", "text": each.content}]) for each in messages]
    try:
        other = _written(tokenizer, parts, options)
    except (TemplateError, TypeError, AttributeError):  # a template for plain texts
        return text
    return other if last in other and "'type'" not in other else text


def _written(tokenizer: Any, turns: Sequence[tuple[str, Any]], options: Mapping[str, Any]) -> str:
    said = [{"role": role, "content": content} for role, content in turns]
    return str(tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True, **options))


# Tokens to text


def pieces(tokenizer: Any, before: int, ids: Sequence[int]) -> list[str]:
    """The text of each token after `before`; together they are the text of all. Half a character is nothing
    until its other half comes.
    """
    found: list[str] = []
    whole = _decoded(tokenizer, [[before, *ids[:number]] for number in range(len(ids) + 1)])
    said = whole[0]
    for number, text in enumerate(whole[1:], start=1):
        if (text.endswith(_HALF) and number < len(ids)) or not text.startswith(said):
            found.append("")
            continue
        found.append(text[len(said) :])
        said = text
    return found


def text_after(tokenizer: Any, before: int, ids: Sequence[int]) -> str:
    """What `ids` add to the text of the token before them, with a leading space that they may lose alone."""
    first, whole = _decoded(tokenizer, [[before], [before, *ids]])
    return whole[len(first) :] if whole.startswith(first) else _decoded(tokenizer, [list(ids)])[0]


def alternatives(tokenizer: Any, before: int, ids: Sequence[int]) -> list[str]:
    """The text of each of these tokens, were it to come after `before`."""
    first, *wholes = _decoded(tokenizer, [[before], *([before, each] for each in ids)])
    alone = _decoded(tokenizer, [[each] for each in ids])
    return [
        whole[len(first) :] if whole.startswith(first) else single
        for whole, single in zip(wholes, alone, strict=True)
    ]


def _decoded(tokenizer: Any, rows: list[list[int]]) -> list[str]:
    return list(
        tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if rows
        else []
    )
