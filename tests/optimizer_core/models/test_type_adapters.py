"""Prompts and replies are the same with adapters that are remembered."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from dspy.adapters import utils
from pydantic import BaseModel, TypeAdapter

import mipro_studio.optimizer_core.models.lms  # noqa: F401 - which has DSPy's adapters remembered


class Level(Enum):
    LOW = "low"


class Item(BaseModel):
    name: str
    level: Level = Level.LOW


@dataclass
class Pair:
    left: int
    right: Any


@pytest.mark.parametrize(
    "value",
    ["text", 1, True, None, 1.5, [1, "a"], {"a": Level.LOW}, Level.LOW, Item(name="bolt"), Pair(1, {2}), object],
    ids=str,
)
def test_a_value_is_written_as_plain_dspy_writes_it_the_first_and_the_second_time(value: Any) -> None:
    try:
        plain = TypeAdapter(type(value)).dump_python(value, mode="json", fallback=str)
    except Exception:  # noqa: BLE001 - as DSPy
        plain = str(value)
    assert [utils.serialize_for_json(value) for _ in range(2)] == [plain, plain]


def test_a_class_has_one_adapter_and_unions_that_equal_each_other_keep_their_order() -> None:
    assert utils.TypeAdapter(Item) is utils.TypeAdapter(Item)
    assert int | str == str | int
    assert [utils.TypeAdapter(kind).core_schema["choices"][0]["type"] for kind in (int | str, str | int)] == [
        "int",
        "str",
    ]


def test_a_class_of_the_same_name_has_an_adapter_of_its_own() -> None:
    def made(kind: type) -> type[BaseModel]:
        return type("Row", (BaseModel,), {"__annotations__": {"x": kind}})

    assert utils.TypeAdapter(made(int)).validate_python({"x": "1"}).x == 1
    assert utils.TypeAdapter(made(str)).validate_python({"x": "1"}).x == "1"
