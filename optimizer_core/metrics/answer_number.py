"""The number that an answer comes to, read exactly and without guessing.

The rule, in this order:

1. What follows the last `####`, or stands in the last `\\boxed{}`, is the answer, where there is such a mark.
2. A number right behind the last "answer is", "answer:" or "answer =" is the answer.
3. Otherwise it is the last number of the text.

There is none where the last number is one end of a range or one of several on offer ("3 to 5", "3 or 4", "3-5"), or
a part of a date, a time, a version or an expression that is not worked out ("3 + 4"). A number that is said not to be
it ("not 6") does not count. Percent are hundredths: 50% is 0.5.
"""

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["final_number", "plain_number", "same_number"]

RELATIVE = Fraction(1, 1_000_000)
"""How far two numbers may be apart that are not both whole."""

_LARGEST_POWER = 400
_VULGAR = "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
_WORDS = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
}  # fmt: skip
_LETTERS = {"k": 10**3, "m": 10**6, "bn": 10**9, "b": 10**9}

_NUMBER = re.compile(
    r"""
    (?<![\w.^\\])(?<!\d[,'/:])(?<![a-z]-)
    (?P<sign>(?:minus|negative)\s+|[-+])?
    (?:(?P<money>[$€£¥₹])\s?(?P<inner>-)?)?
    (?P<body>
        \d{1,3}(?:(?P<gap>[,'\u00a0\u202f\u2009\x20])\d{3})(?:(?P=gap)\d{3})*(?:\.\d+)?  # 1,234.5 and 1 234
      | \d{1,3}(?:\.\d{3})+,\d+ | \d{1,3}(?:\.\d{3}){2,}                                # 1.234,5 and 1.234.567
      | \d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?                                              # 12,34,567
      | \d+,\d+ | \d+(?:\.\d+)? | \.\d+
    )
    (?:
        \s(?P<over>\d+)/(?P<under>\d+)              # 1 1/2
      | \s?/\s?(?P<below>\d+)                       # 1/2
      | e(?P<exponent>[-+]?\d+)
      | \s?[x*]\s?10\s?(?:\^|\*\*)\s?\{?(?P<ten>[-+]?\d+)\}?
      | (?:\^|\*\*)\s?\{?(?P<power>[-+]?\d+)\}?
    )?
    (?![\d^]|[.,/:'][\d]|[a-z]*\d)(?!(?:st|nd|rd|th)\b)
    (?P<scale>\s?(?:hundred|thousand|million|billion|trillion)\b|k\b|(?:m|bn|b)\b)?
    (?P<percent>\s?(?:%|percent\b|per\ cent\b))?
    """,
    re.VERBOSE,
)
_MARK = re.compile(r"####|\\boxed\s*\{")
_SAID = re.compile(r"\banswer\b\s*(?:(?:is|are|:|=|would be|should be|comes to)\s*)+(?:(?:about|only|just|:)\s*)?")
_BETWEEN = re.compile(r"\s*(?:to|or|and|vs\.?|versus|through|until|[-+*x÷/^:,;~])\s*(?:even\s|maybe\s|about\s)?\s*")
_STRAY = re.compile(r"(?<![a-z])(?<![a-z]-)(?<!\d)\d+(?!\d|st\b|nd\b|rd\b|th\b)")
"""Digits that are no number: of a date, a time, a version. Those of a word (m2, GPT-4, 3rd) say nothing."""
_NOT = re.compile(r"\b(?:not|n't|isn't|than)\s+$")


@dataclass(frozen=True)
class _Found:
    value: Fraction
    start: int
    end: int


def same_number(one: Fraction, other: Fraction) -> bool:
    """Whole numbers exactly, others to six digits."""
    if one.denominator == other.denominator == 1:
        return one == other
    return abs(one - other) <= RELATIVE * max(abs(one), abs(other))


def plain_number(text: str) -> Fraction | None:
    """The number that `text` is, and nothing beside it: digits, a sign, a point, thousands, an exponent."""
    found = re.fullmatch(r"[-+]?(?:\d+|\d{1,3}(?:,\d{3})+)?(?:\.\d*)?(?:[eE][-+]?\d{1,3})?", text.strip())
    digits = text.strip().replace(",", "").rstrip(".")
    try:
        return Fraction(digits) if found and digits else None
    except ValueError:  # no digits at all
        return None


def final_number(text: str) -> Fraction | None:
    """The number that `text` comes to by the rule above; None where there is none or it is not clear."""
    plain = _prepared(text)
    marks = list(_MARK.finditer(plain))
    if marks:
        rest = plain[marks[-1].end() :]
        plain = rest.split("\n")[0] if marks[-1][0] == "####" else _braced(rest)
    said = list(_SAID.finditer(plain))
    if said:
        plain = plain[said[-1].end() :]
        first = _NUMBER.match(plain)
        if first and not _goes_on(plain, first.end()):
            return _value(first)
    return _last(plain)


def _goes_on(text: str, at: int) -> bool:
    """Whether what follows makes the number before it a part of something larger: a range, a sum, an equation."""
    joint = _BETWEEN.match(text, at)
    return bool(re.match(r"\s*=", text[at:]) or (joint and _NUMBER.match(text, joint.end())))


def _prepared(text: str) -> str:
    """`text` in lower case with one way of writing a minus, a fraction and emphasis."""
    text = re.sub(rf"(?<=\d)(?=[{_VULGAR}])", " ", text)
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"[\u2010-\u2015\u2212]", "-", text.replace("\u2044", "/"))
    text = re.sub(r"[\u00d7\u00b7]|\\times\b|\\cdot\b", "*", text)
    text = re.sub(r"\\[dt]?frac\s*\{(-?\d+)\}\s*\{(\d+)\}", r"\1/\2", text)
    text = re.sub(r"\\([$%#])", r"\1", text.replace("{,}", ",").replace("\\!", "").replace("\\,", ""))
    text = re.sub(r"\*\*(?=\s|$|[.,;!?])|(?<!\d)\*\*(?=\S)|[`_]|\\text\b", "", text)
    return re.sub(r"(?:(?<=\A)|(?<==)|(?<=:))\s*-\s+(?=[$€£¥₹]?[\d.])", " -", text) if "\n" not in text else text


def _braced(rest: str) -> str:
    """What stands before the brace that closes `\\boxed{`."""
    depth = 1
    for i, mark in enumerate(rest):
        depth += (mark == "{") - (mark == "}")
        if depth == 0:
            return rest[:i]
    return rest


def _last(text: str) -> Fraction | None:
    matches = list(_NUMBER.finditer(text))
    if not matches or _STRAY.search(text, matches[-1].end()):
        return None
    found = [
        _Found(value, match.start(), match.end())
        for match in matches
        if (value := _value(match)) is not None and not _NOT.search(text, max(0, match.start() - 20), match.start())
    ]
    if not found:
        return None
    last = found[-1]
    for earlier in reversed(found[:-1]):
        if not _BETWEEN.fullmatch(text[earlier.end : last.start]):
            break
        if earlier.value != last.value:
            return None
    return last.value


def _value(match: "re.Match[str]") -> Fraction | None:
    part = match.groupdict()
    value = _body(part["body"], part["gap"])
    if part["over"]:
        if int(part["under"]) == 0:
            return None
        value += Fraction(int(part["over"]), int(part["under"]))
    if part["below"]:
        if int(part["below"]) == 0:
            return None
        value /= int(part["below"])
    for name in ("exponent", "ten", "power"):
        if part[name]:
            power = int(part[name])
            if abs(power) > _LARGEST_POWER or (name == "power" and not value and power < 0):
                return None
            value = value**power if name == "power" else value * Fraction(10) ** power
    scale = (part["scale"] or "").strip()
    if scale in _LETTERS and scale != "k" and not part["money"]:
        scale = ""
    value *= _WORDS.get(scale, _LETTERS.get(scale, 1))
    negative = (part["sign"] or "").strip() in ("-", "minus", "negative")
    if negative != bool(part["inner"]):
        value = -value
    return value / 100 if part["percent"] else value


def _body(body: str, gap: str | None) -> Fraction:
    if gap:
        body = body.replace(gap, "")
    if "," in body:
        european = "." in body and body.index(".") < body.index(",")
        body = body.replace(".", "").replace(",", ".") if european or body.count(",") == 1 else body.replace(",", "")
    elif body.count(".") > 1:
        body = body.replace(".", "")
    return Fraction(body if not body.startswith(".") else f"0{body}")
