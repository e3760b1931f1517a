import json

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.secrets import HIDDEN, Scrubber
from mipro_studio.optimizer_core.types import (
    Author,
    Cell,
    CellKey,
    Demo,
    DemoSet,
    ErrorClass,
    Event,
    Instruction,
    Split,
    TraceStep,
    Usage,
)

KEY = "sk-canary-1234"
SCRUBBER = Scrubber(["MY_VARIABLE"], {"MY_VARIABLE": KEY})


def test_a_key_is_blacked_out_wherever_it_stands_in_text() -> None:
    assert SCRUBBER.text(f"Bearer {KEY}, again {KEY}") == f"Bearer {HIDDEN}, again {HIDDEN}"
    assert SCRUBBER.text("nothing here") == "nothing here"


def test_a_record_is_scrubbed_through_and_keeps_its_shape() -> None:
    cell = Cell(
        CellKey("i0d0", Split.VAL, "e1"),
        None,
        ErrorClass.AUTH,
        f"401: {KEY}",
        Usage(calls=1, cost_usd=None),
        prediction={"answer": [f"{KEY}", {"deep": (1, f"x{KEY}x")}], KEY: 1},
        trace=(TraceStep("queue", {"m": KEY}, {}),),
    )
    clean = SCRUBBER.record(cell)
    assert "canary" not in repr(clean)
    assert clean.error is ErrorClass.AUTH and clean.key.split is Split.VAL
    assert clean.usage == cell.usage
    assert clean.prediction == {"answer": [HIDDEN, {"deep": (1, f"x{HIDDEN}x")}], HIDDEN: 1}
    assert clean.trace == (TraceStep("queue", {"m": HIDDEN}, {}),)


def test_every_kind_of_record_can_be_scrubbed() -> None:
    demos = (Demo({"a": KEY}, augmented=True, example_id="1"),)
    for record in (
        DemoSet("queue", 1, "shuffled", demos),
        Instruction("queue", 1, KEY, Author.MODEL, {"raw": [KEY]}),
        Event("note", {"text": KEY}),
    ):
        clean = SCRUBBER.record(record)
        assert type(clean) is type(record)
        assert "canary" not in repr(clean)


def test_a_record_without_a_key_is_the_same_object() -> None:
    event = Event("note", {"text": "fine"})
    assert SCRUBBER.record(event) is event


def test_a_key_with_characters_that_python_writes_otherwise_is_found_too() -> None:
    strange = "pass\\word'\"\nü-1234"
    scrubber = Scrubber(["K"], {"K": strange})
    assert scrubber.record(Event("note", {"text": f"it is {strange}"})).data == {"text": f"it is {HIDDEN}"}


def test_a_key_that_a_cut_goes_through_is_hidden_as_far_as_it_goes() -> None:
    assert SCRUBBER.text(f"refused: {KEY[:-3]}") == f"refused: {HIDDEN}"
    assert SCRUBBER.text("refused: sk-ca") == "refused: sk-ca"


def test_a_key_in_printed_json_is_found_too() -> None:
    strange = 'pass"word\\1234'
    assert "word" not in Scrubber(["K"], {"K": strange}).text(json.dumps({"error": f"no {strange}"}))


def test_variables_whose_name_says_so_hold_keys_as_well() -> None:
    environment = {
        "OPENAI_API_KEY": "sk-open-1234",
        "HF_TOKEN": "hf_12345678",
        "HOME": "/home/somebody",
        "A_KEY": "short",
    }
    scrubber = Scrubber([], environment)
    assert scrubber.text("sk-open-1234 hf_12345678 /home/somebody short") == f"{HIDDEN} {HIDDEN} /home/somebody short"


def test_a_key_inside_a_longer_key_leaves_nothing_of_the_longer() -> None:
    scrubber = Scrubber(["A", "B"], {"A": "abcdefgh", "B": "abcdefgh-and-more"})
    assert scrubber.text("abcdefgh-and-more") == HIDDEN


def test_a_variable_that_is_not_set_is_no_secret() -> None:
    assert Scrubber(["NOT_SET"], {}).text("anything") == "anything"


def test_what_the_studio_says_itself_can_be_scrubbed() -> None:
    assert SCRUBBER.text(str(StudioError(f"refused {KEY}", "Try again."))) == f"refused {HIDDEN} Try again."
