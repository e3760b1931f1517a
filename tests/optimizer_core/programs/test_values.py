"""Values as JSON and back: of the same type, and written as a person would write them where that is enough."""

import base64
import dataclasses
import datetime
import decimal
import enum
import io
import json
import uuid
from pathlib import Path
from typing import Any, Literal

import dspy
import numpy
import pandas
import PIL.Image
import pytest
from dspy.adapters.utils import serialize_for_json
from pydantic import BaseModel, Field, RootModel

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.shown_values import TAG
from mipro_studio.optimizer_core.programs.values import as_prompted, decode, encode, same, shown, text_of

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Grade(enum.IntEnum):
    ONE = 1
    TWO = 2


class Item(BaseModel):
    name: str
    count: int = 1
    level: Level = Level.LOW


class Order(BaseModel):
    items: list[Item]
    due: datetime.date | None = None
    number: int = Field(0, alias="no")


class Names(RootModel[list[str]]):
    pass


class Page(BaseModel):
    picture: dspy.Image
    title: str


@dataclasses.dataclass
class Point:
    x: int
    y: float


ITEM = Item(name="bolts", count=3)
NATURAL = [
    ("text", str, "text"),
    (3, int, 3),
    (1.0, float, 1.0),
    (True, bool, True),
    (None, str | None, None),
    (Level.LOW, Level, "low"),
    (Grade.TWO, Grade, 2),
    (ITEM, Item, {"name": "bolts", "count": 3, "level": "low"}),
    ([ITEM], list[Item], [{"name": "bolts", "count": 3, "level": "low"}]),
    ({"a": Level.HIGH}, dict[str, Level], {"a": "high"}),
    (
        Order(items=[ITEM], no=7),
        Order,
        {"items": [{"name": "bolts", "count": 3, "level": "low"}], "due": None, "number": 7},
    ),
    (datetime.date(2024, 5, 1), datetime.date, "2024-05-01"),
    (datetime.datetime(2024, 5, 1, 10, 30), datetime.datetime, "2024-05-01T10:30:00"),
    (decimal.Decimal("1.50"), decimal.Decimal, "1.50"),
    (Point(1, 2.5), Point, {"x": 1, "y": 2.5}),
    ((1, "a"), tuple[int, str], [1, "a"]),
    ({"a"}, set[str], ["a"]),
    (Names(["a"]), Names, ["a"]),
    ("a", Literal["a", "b"], "a"),
    (ITEM, Item | None, {"name": "bolts", "count": 3, "level": "low"}),
    (dspy.History(messages=[{"q": "a"}]), dspy.History, {"messages": [{"q": "a"}]}),
    (dspy.Code(code="x = 1"), dspy.Code, "x = 1"),
    (dspy.Reasoning(content="so"), dspy.Reasoning, "so"),
    (dspy.Image("https://a.b/c.png"), dspy.Image, "https://a.b/c.png"),
    (dspy.Audio(data="AAAA", audio_format="wav"), dspy.Audio, {"data": "AAAA", "audio_format": "wav"}),
    (Page(picture=dspy.Image("https://a.b/c.png"), title="t"), Page, {"picture": "https://a.b/c.png", "title": "t"}),
]


@pytest.mark.parametrize(("value", "annotation", "written"), NATURAL, ids=lambda value: str(value)[:30])
def test_a_value_of_its_annotation_is_written_as_a_person_writes_it_and_comes_back(
    value: Any, annotation: Any, written: Any
) -> None:
    assert encode(value, annotation) == written
    assert same(decode(json.loads(json.dumps(written)), annotation), value)


@pytest.mark.parametrize(("value", "annotation", "_"), NATURAL, ids=lambda value: str(value)[:30])
def test_without_an_annotation_the_type_stands_beside_the_value(value: Any, annotation: Any, _: Any) -> None:
    kept = json.loads(json.dumps(encode(value)))
    assert same(decode(kept), value)
    assert same(decode(kept, annotation), value)
    assert TAG not in json.dumps(shown(kept))


ODD = [
    ("3", int),
    ({"name": "bolts"}, Item),
    ("low", Level),
    (3, str),
    (1, float),
    (1.0, int),
    (True, int),
    ([1, "2"], list[int]),
    ("no file", dspy.Image),
    ({1: "a", (2, 3): "b"}, Any),
    ({TAG: "date", "value": "x"}, Any),
    ([{"deep": (1, {2})}], Any),
    (b"\x00\xff", Any),
    (uuid.UUID(int=5), Any),
    (Path("a/b"), Any),
    (datetime.timedelta(seconds=90), Any),
    (float("inf"), float),
    (dspy.Image("https://a.b/c.png"), str),
    ([dspy.Image("https://a.b/c.png"), "text"], list[dspy.Image | str]),
    (ITEM.model_copy(update={"count": "three"}), Item),
]


@pytest.mark.parametrize(("value", "annotation"), ODD, ids=lambda value: str(value)[:30])
def test_a_value_that_is_not_what_its_annotation_says_stays_what_it_is(value: Any, annotation: Any) -> None:
    assert same(decode(json.loads(json.dumps(encode(value, annotation))), annotation), value)


def test_what_cannot_be_written_is_kept_as_dspy_shows_it() -> None:
    def weigh(name: str) -> str:
        """Weigh it."""
        return name

    class Local(BaseModel):
        n: int

    for value in (dspy.Tool(weigh), [dspy.Tool(weigh)], numpy.float64(0.5), dspy.Prediction(a=1), Local(n=1), weigh):
        kept = decode(json.loads(json.dumps(encode(value))))
        assert serialize_for_json(kept) == serialize_for_json(value)
    assert decode(encode(Local(n=1), Local), Local) == Local(n=1)  # its annotation is enough to read it back


def test_a_class_that_is_gone_leaves_plain_json() -> None:
    kept = encode(ITEM)
    gone = {**kept, "class": "tests.nowhere:Item"}
    assert decode(gone) == {"name": "bolts", "count": 3, "level": "low"}
    for name in ("os:system", "subprocess:Popen", "builtins:eval", "dspy:LM"):
        assert decode({**kept, "class": name}) == {"name": "bolts", "count": 3, "level": "low"}


CELLS = [
    ("3", int, 3),
    ("2.5", float, 2.5),
    ("true", bool, True),
    ("False", bool, False),
    ("", str, ""),
    ("2024-05-01", datetime.date, datetime.date(2024, 5, 1)),
    ("high", Level, Level.HIGH),
    ("HIGH", Level, Level.HIGH),
    ("2", Grade, Grade.TWO),
    ("2", Literal[1, 2], 2),
    ('["a", "b"]', list[str], ["a", "b"]),
    ('{"name": "nuts"}', Item, Item(name="nuts")),
    ('[{"name": "nuts"}]', list[Item], [Item(name="nuts")]),
    ({"items": [{"name": "nuts"}], "no": 3}, Order, Order(items=[Item(name="nuts")], no=3)),
    ([{"question": "a"}], dspy.History, dspy.History(messages=[{"question": "a"}])),
    ("['a', 'b']", list[str], ["a", "b"]),
    ("(1, 2)", tuple[int, int], (1, 2)),
    ("[{'name': 'nuts', 'count': None}]", list[dict[str, Any]], [{"name": "nuts", "count": None}]),
    ("['a', b]", list[str], "['a', b]"),
    ("", str | None, ""),
    ("3", int | str, "3"),
    ("3", int | None, 3),
    (1, float, 1),
    ("x = 1", dspy.Code["python"], None),
    ("maybe", bool, "maybe"),
    ("a b", list[str], "a b"),
    (20240501, datetime.date, 20240501),
    ({"name": 3}, Item, {"name": 3}),
    ([{"a": 1}], Any, [{"a": 1}]),
]


@pytest.mark.parametrize(("cell", "annotation", "right"), CELLS, ids=lambda value: str(value)[:30])
def test_a_cell_of_a_file_becomes_what_the_signature_says_or_stays(cell: Any, annotation: Any, right: Any) -> None:
    made = decode(cell, annotation)
    assert same(made, annotation(code="x = 1") if right is None else right)


def test_an_empty_cell_is_null_where_that_is_taken_and_text_is_not() -> None:
    assert decode("", int | None) is decode("", list[str] | None) is None
    assert decode("", int) == ""


def test_an_image_comes_from_a_path_bytes_or_a_url(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PIXEL)
    right = dspy.Image.from_path(str(tmp_path / "a.png"))
    assert decode("a.png", dspy.Image, [tmp_path]) == right
    assert decode(["a.png"], list[dspy.Image], [tmp_path]) == [right]
    assert decode(str(tmp_path / "a.png"), dspy.Image | None) == right
    assert decode({"picture": "a.png", "title": "t"}, Page, [tmp_path]) == Page(picture=right, title="t")
    assert decode({"url": "https://a.b/c.png"}, dspy.Image) == dspy.Image("https://a.b/c.png")
    for held in (PIXEL, {"bytes": PIXEL, "path": "a.png"}):
        assert isinstance(decode(encode(held), dspy.Image), dspy.Image)
        assert isinstance(decode(encode([held]), list[dspy.Image])[0], dspy.Image)
    assert decode(encode(PIXEL), Any) == PIXEL


def test_a_path_that_is_not_there_is_named() -> None:
    with pytest.raises(BadInput, match=r"There is no image file 'nowhere\.png'"):
        decode("nowhere.png", dspy.Image)
    with pytest.raises(BadInput, match="audio"):
        decode("nowhere.wav", dspy.Audio | None)
    assert decode("nowhere.png", dspy.Image | str) == "nowhere.png"


def test_texts_for_a_prompt_are_json_where_they_are_no_text() -> None:
    assert text_of(encode(ITEM)) == '{"name": "bolts", "count": 3, "level": "low"}'
    assert text_of("häh") == "häh"
    assert text_of(["ä", 1]) == '["ä", 1]'


def test_the_bytes_of_an_image_are_in_no_text() -> None:
    uri = "data:image/png;base64," + "A" * 5000
    told = text_of(encode({"picture": dspy.Image(uri), "text": "t"}))
    assert told == '{"picture": {"url": "data:image/png;base64,... (5,022 characters)"}, "text": "t"}'
    assert text_of("data:" + "x" * 500) == "data:" + "x" * 500


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (numpy.int64(3), 3),
        (numpy.float32(0.5), 0.5),
        (numpy.bool_(True), True),
        (numpy.str_("a"), "a"),
        (numpy.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (numpy.array([1.5, float("nan")], dtype="float32"), None),
        (pandas.Timestamp("2026-01-02T03:04:05.000000006+01:00"), "2026-01-02T03:04:05.000000006+01:00"),
    ],
    ids=repr,
)
def test_values_of_numpy_and_pandas_come_back_as_they_were(value: Any, plain: Any) -> None:
    kept = json.loads(json.dumps(encode([value])))
    back = decode(kept)[0]
    assert type(back) is type(value)
    assert getattr(back, "dtype", None) == getattr(value, "dtype", None)
    numpy.testing.assert_array_equal(back, value)
    assert plain is None or shown(kept) == [plain]


def test_dates_of_numpy_come_back_and_an_array_of_objects_is_shown() -> None:
    day = numpy.datetime64("2026-01-02")
    assert decode(json.loads(json.dumps(encode(day)))) == day
    assert encode(numpy.array([object, None]))[TAG] == "shown"


@pytest.mark.parametrize(("mode", "colour"), [("RGB", (250, 1, 2)), ("RGBA", (1, 2, 3, 4)), ("L", 7), ("1", 1)])
@pytest.mark.parametrize("kept_in", [None, "JPEG"])
def test_an_image_of_pillow_comes_back_pixel_by_pixel_and_is_sent_as_it_was(
    mode: str, colour: Any, kept_in: str | None
) -> None:
    image = PIL.Image.new(mode, (3, 2), colour)
    if kept_in and mode in ("RGB", "L"):
        content = io.BytesIO()
        image.save(content, kept_in)
        image = PIL.Image.open(content)
    back = decode(json.loads(json.dumps(encode(image))))
    assert isinstance(back, PIL.Image.Image) and (back.mode, back.size) == (image.mode, image.size)
    assert back.tobytes() == image.tobytes()
    assert dspy.Image(back) == dspy.Image(image)


def test_an_image_of_pillow_is_the_image_that_an_input_declares() -> None:
    image = PIL.Image.new("RGB", (1, 1))
    kept = json.loads(json.dumps(encode(image, dspy.Image)))
    assert decode(kept, dspy.Image) == dspy.Image(image)
    listed = json.loads(json.dumps(encode([image], list[dspy.Image])))
    assert decode(listed, list[dspy.Image]) == [dspy.Image(image)]
    assert isinstance(decode(kept, str), PIL.Image.Image)


def test_an_image_that_png_cannot_hold_is_shown() -> None:
    assert encode(PIL.Image.new("CMYK", (1, 1)))[TAG] == "shown"


class Raising:
    """As bad as it gets: whoever looks at it, or compares it, gets an exception."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    def __hash__(self) -> int:
        return 1

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")

    __str__ = __repr__


def nested(depth: int) -> Any:
    value: Any = "inside"
    for _ in range(depth):
        value = [value]
    return value


UNWRITABLE = {
    "raises": Raising(),
    "raises inside": {"a": [Raising()]},
    "a key that raises": {Raising(): 1},
    "digits": 10**5000,
    "digits inside": {"a": [10**5000]},
    "deep": nested(900),
    "deeper than Python goes": nested(100_000),
}


@pytest.mark.parametrize("what", UNWRITABLE)
@pytest.mark.parametrize("annotation", [Any, str, int, list, dict])
def test_what_cannot_be_written_down_is_kept_as_what_can_be_shown_of_it(what: str, annotation: Any) -> None:
    for kept in (encode(UNWRITABLE[what], annotation), as_prompted(UNWRITABLE[what])):
        assert len(json.dumps(kept)) < 20_000_000
        assert json.loads(json.dumps(kept)) == kept
    assert encode(UNWRITABLE[what], annotation)[TAG] == "shown"
