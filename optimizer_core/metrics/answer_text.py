"""Answers as text: alike as they stand, alike once what carries no meaning is gone, and their words in common."""

import re
import string
import unicodedata
from collections import Counter

__all__ = ["as_it_stands", "normalized", "token_f1"]

NEAR = 40
"""Characters around a mark that may say what it stands for."""

_ARTICLES = frozenset({"a", "an", "the"})
_HYPHENS = "-\u2010\u2011"
_DASHES = "\u2012\u2013\u2014\u2015"
_MINUS = "\u2212"
_OPERATORS = "+-*/^<>="
_EMPHASIS = re.compile(r"(\*\*|__|`)(?=\S)(.+?)(?<=\S)\1|(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])")
_TERM_ENDS = re.compile(r"\d$|(?<!\w)\w$")
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")


def as_it_stands(text: str) -> str:
    """`text` for an exact comparison: without blanks around it, one kind of line end, one way of coding an accent."""
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()


def normalized(text: str) -> str:
    """`text` in lower case, without punctuation that only sets it off, without articles before a word, single blanks.

    What changes the meaning stays: signs, decimal points, fractions, percent, currencies, operators, and the marks
    of names such as C++, C#, A- and 3:30. Text of nothing but such punctuation stays as it is.
    """
    plain = as_it_stands(text).casefold()
    marked = _EMPHASIS.sub(lambda found: found[2] or found[3], plain)
    marked = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), marked)
    padded = f" {marked} "
    kept = "".join(_kept(padded, i) for i in range(1, len(padded) - 1))
    words = re.sub(r"(?<=\d) (?=%)|(?<=^-) (?=\S)", "", " ".join(kept.split())).split()
    after = [word[:1].isalnum() for word in words[1:]] + [False]
    telling = [word for word, more in zip(words, after, strict=False) if word not in _ARTICLES or not more]
    return " ".join(telling) or plain


def _kept(text: str, i: int) -> str:
    """What becomes of the character at `i`, which has neighbours: itself, a blank, or nothing."""
    mark, before, after = text[i], text[i - 1], text[i + 1]
    if mark.isspace():
        return " "
    category = unicodedata.category(mark)
    if mark == "`" or category[0] not in "PSC":
        return "" if mark == "`" else mark
    if mark == "+":
        sign = before.isspace() and after.isdigit() and not text[max(0, i - NEAR) : i].rstrip()[-1:].isalnum()
        return "" if sign else mark
    if mark in _HYPHENS + _DASHES + _MINUS:
        return _dash(text, i)
    if category[0] == "S":
        return mark
    return _point(text, i) if mark in ".,:;" else _other(mark, before, after)


def _dash(text: str, i: int) -> str:
    """A minus and the end of a grade or blood group stay; between words it joins (e-mail) or parts them."""
    before, after = text[max(0, i - NEAR) : i], text[i + 1 : i + 1 + NEAR]
    if re.match(r"[$€£¥]?\.?\d", after):
        return "-"
    if before[-1:].isspace() and after[:1].isspace():
        number = re.match(r"[$€£¥]?\.?\d", after.lstrip())
        term = number or re.match(r"\w(?!\w)", after.lstrip())
        return "-" if (number and not before.strip()) or (term and _TERM_ENDS.search(before.rstrip())) else " "
    if before[-1:].isalpha() and not after[:1].isalnum() and re.search(r"(?<!\w)\w{1,3}$", before):
        return "-"
    return "" if text[i] in _HYPHENS and before[-1:].isalnum() and after[:1].isalnum() else " "


def _point(text: str, i: int) -> str:
    """A mark between digits stays. A point between letters joins (U.S.), everything else parts."""
    mark, before, after = text[i], text[i - 1], text[i + 1]
    if after.isdigit() and before.isdigit() and mark != ";":
        return mark
    if mark == ".":
        return "0." if after.isdigit() and not before.isalnum() and before != ")" else ""
    return " "


def _other(mark: str, before: str, after: str) -> str:
    if mark in "&@\\":
        return mark
    if mark == "/":
        return mark if not before.isspace() and not after.isspace() else " "
    if mark in "%‰":
        return mark if before.isdigit() or before.isspace() else ""
    if mark in "#*":
        return mark if before.isalnum() or before == mark else ""
    if mark == "!":
        return mark if after == "=" else ""
    if mark in "([{":
        return mark if before in _OPERATORS else ""
    if mark in ")]}":
        return mark if after in _OPERATORS else ""
    return " " if before.isdigit() and after.isdigit() else ""


def token_f1(guess: str, truth: str) -> float:
    """Overlap of the words of two texts in [0, 1], as SQuAD's evaluation computes it."""
    guessed, true = _squad_words(guess), _squad_words(truth)
    common = sum((Counter(guessed) & Counter(true)).values())
    if not guessed or not true:
        return float(guessed == true)
    if common == 0:
        return 0.0
    precision, recall = common / len(guessed), common / len(true)
    return 2 * precision * recall / (precision + recall)


def _squad_words(text: str) -> list[str]:
    """Lower case, no ASCII punctuation, no English articles."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()
