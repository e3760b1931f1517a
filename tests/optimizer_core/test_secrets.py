import json

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.secrets import (
    HIDDEN,
    ScrubbedBytes,
    Scrubber,
    keys_among,
    learn,
    refuse_secrets,
    tell_learned,
)
from mipro_studio.optimizer_core.types import (
    Author,
    Cell,
    CellKey,
    Demo,
    ErrorClass,
    Event,
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
        demos_arm("queue", 1, "shuffled", demos),
        instruction_arm("queue", 1, KEY, Author.MODEL, {"raw": [KEY]}),
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


def test_user_and_password_of_an_address_are_hidden_and_the_rest_of_it_stays() -> None:
    said = SCRUBBER.text("GET https://me:p%40ss@host.example:8443/v1?q=a@b failed; mail me@host.example")
    assert said == f"GET https://{HIDDEN}@host.example:8443/v1?q=a@b failed; mail me@host.example"
    assert SCRUBBER.text("git+https://ghp_0123@github.com/x") == f"git+https://{HIDDEN}@github.com/x"
    assert SCRUBBER.text("http://host/path@2x.png, http://[::1]:80/") == "http://host/path@2x.png, http://[::1]:80/"


def test_a_password_in_an_address_of_the_environment_is_hidden_also_where_it_stands_alone() -> None:
    scrubber = Scrubber([], {"HTTPS_PROXY": "http://me:pa%20ssword@proxy:3128"})
    assert scrubber.text("password 'pa ssword' refused") == f"password '{HIDDEN}' refused"
    assert scrubber.text("Basic bWU6cGEgc3N3b3Jk") == f"Basic {HIDDEN}"


def test_a_key_that_is_named_is_hidden_though_it_is_short_but_no_plain_word_is() -> None:
    assert Scrubber(["DESK"], {"DESK": "s3cret"}).text("it is s3cret") == f"it is {HIDDEN}"
    assert Scrubber(["DESK"], {"DESK": "none"}).text("there is none") == "there is none"


def test_a_key_as_it_stands_in_an_address_and_without_the_line_end_of_its_file_is_found() -> None:
    scrubber = Scrubber(["K"], {"K": "sk+canary/1234=\n"})
    assert scrubber.text("GET /v1?key=sk%2Bcanary%2F1234%3D") == f"GET /v1?key={HIDDEN}"
    assert scrubber.text("Bearer sk+canary/1234=") == f"Bearer {HIDDEN}"


def test_what_is_learned_later_is_hidden_too() -> None:
    scrubber = Scrubber([], {})
    scrubber.hide("sk-in-the-code")
    assert scrubber.text("sk-in-the-code") == HIDDEN


@pytest.mark.parametrize("name", ["MY_API_KEY_2", "AWS_SECRET_ACCESS_KEY", "GITHUB_PAT", "DB_PASSWD", "OPENAIKEY"])
def test_variables_called_like_keys_hold_keys(name: str) -> None:
    assert Scrubber([], {name: "abcdefgh1"}).text("abcdefgh1") == HIDDEN


@pytest.mark.parametrize("name", ["PATH", "TOKENIZERS_PARALLELISM", "KEYBOARD", "MONKEYS_HOME", "SSH_AUTH_SOCK"])
def test_variables_called_otherwise_do_not(name: str) -> None:
    assert Scrubber([], {name: "abcdefgh1"}).text("abcdefgh1") == "abcdefgh1"


STREAM = f"one {KEY} two http://me:pass@h/ drei ä {KEY[:6]}\nlast {KEY}".encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16, 1000])
def test_a_stream_hides_a_key_wherever_its_pieces_are_cut(size: int) -> None:
    stream = ScrubbedBytes(SCRUBBER)
    pieces = [stream.feed(STREAM[at : at + size]) for at in range(0, len(STREAM), size)]
    said = b"".join([*pieces, stream.end()]).decode()
    assert said == f"one {HIDDEN} two http://{HIDDEN}@h/ drei ä {KEY[:6]}\nlast {HIDDEN}"


def test_a_stream_passes_bytes_that_are_no_text() -> None:
    stream = ScrubbedBytes(SCRUBBER)
    assert stream.feed(b"\xff\xfe\x00 \xc3") + stream.end() == b"\xff\xfe\x00 \xc3"


def test_a_stream_holds_nothing_back_that_cannot_become_a_key() -> None:
    stream = ScrubbedBytes(SCRUBBER)
    assert stream.feed(b"a line that is over.\n") == b"a line that is over.\n"
    assert stream.feed(b"and a beginning: sk-can") == b"and a beginning: "
    assert stream.feed(b"non.") == b"sk-cannon."


@pytest.mark.parametrize(
    "model",
    [
        {"api_base": "http://me:canary-pw@host/v1"},
        {"api_base": "https://canary-token@host/v1"},
        {"api_base": "https://host/v1?api-key=canary"},
        {"api_key_env": "sk-canary-0123"},
    ],
)
@pytest.mark.parametrize("place", ["task_model", "judge", "predictor_models"])
def test_a_secret_where_it_would_be_stored_is_refused_and_not_repeated(model: dict[str, str], place: str) -> None:
    inside = {"judge": {"model": model}, "predictor_models": {"a.predict": model}}.get(place, model)
    with pytest.raises(BadInput, match="would be stored") as refused:
        refuse_secrets({"program": "p", place: inside})
    assert "canary" not in str(refused.value)


def test_an_ordinary_request_is_not_refused() -> None:
    refuse_secrets({"task_model": {"api_base": "http://[::1]:8080/v1?version=2", "api_key_env": "DESK_KEY"}})


LITERALS = {
    "api_key": {"api_key": "literal-key-in-code-1"},
    "another name": {"aws_secret_access_key": "literal-key-in-code-2"},
    "header": {"extra_headers": {"Authorization": "Bearer literal-key-in-code-3"}},
    "header of a provider": {"headers": {"x-api-key": "literal-key-in-code-4"}},
}


@pytest.mark.parametrize("where", LITERALS)
def test_a_key_that_stands_in_a_programs_code_is_hidden_once_its_model_is_made(where: str) -> None:
    before, told = Scrubber([], {}), []
    tell_learned(told.append)
    stream = ScrubbedBytes(before)
    from mipro_studio.optimizer_core.models import lms  # noqa: F401 - from now on models are counted

    dspy.LM("openai/mine", **LITERALS[where])
    key = keys_among(LITERALS[where])[-1]
    for scrubber in (before, Scrubber([], {})):
        assert scrubber.text(f"401: {key} is wrong") == f"401: {HIDDEN} is wrong"
        assert scrubber.record({"a": [key]}) == {"a": [HIDDEN]}
    assert key in told
    assert b"literal" not in stream.feed(f"it says {key[:9]}".encode()) + stream.feed(f"{key[9:]}.".encode())


@pytest.mark.parametrize(
    "key",
    ["sk-proj-Ab12cd34Ef56gh78", "gsk_0123456789abcdefABCD", "hf_abcdefghij0123456789", "AKIA0123456789ABCDEF",
     "AIzaSyA0123456789abcdefghijk", "ghp_0123456789abcdefghij"],
)  # fmt: skip
def test_what_has_the_shape_of_a_providers_key_is_hidden_whoever_wrote_it(key: str) -> None:
    nobody = Scrubber([], {})
    assert nobody.text(f"client = Client('{key}')") == f"client = Client('{HIDDEN}')"
    for cut in range(1, len(key)):
        stream = ScrubbedBytes(nobody)
        said = stream.feed(f"a {key[:cut]}".encode()) + stream.feed(f"{key[cut:]} b".encode()) + stream.end()
        assert said.decode() == f"a {HIDDEN} b", cut


@pytest.mark.parametrize(
    "text",
    ["sk-estimator-doc-link-and-more", "task-based-learning-2024-course", "a Bearer of good news", "sk-1", "hf_"],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert Scrubber([], {}).text(text) == text


def test_short_values_are_not_learned() -> None:
    learn("none", "dummy")
    assert Scrubber([], {}).text("none of the dummy texts") == "none of the dummy texts"


@pytest.mark.parametrize("key", ["sk-canary-7b1f0c5d9e", "gsk_0123456789abcdefghij"])
def test_a_stream_that_is_cut_anywhere_shows_no_key_of_a_providers_shape(key: str) -> None:
    """A line's end after the key is no part of it: what is held back begins where the key does, or not at all."""
    told = f"{key}\n{key}\nand on\n".encode()
    for first in range(len(told)):
        for second in (first + 1, first + 3, first + len(key)):
            stream = ScrubbedBytes(Scrubber(["DESK_KEY"], {"DESK_KEY": "sk-canary-7b1f0c5d9e"}))
            pieces = (told[:first], told[first:second], told[second:])
            assert b"".join(map(stream.feed, pieces)) + stream.end() == b"[key hidden]\n[key hidden]\nand on\n"


NAMED = {
    "a call": ("Client(api_key='0f3c9d2b7a61', timeout=3)", "Client(api_key='{}', timeout=3)"),
    "JSON": ('{"access_token": "abc_def-ghi0123", "ok": 1}', '{"access_token": "{}", "ok": 1}'),
    "a header": ("{'X-Api-Key': 'q1w2e3r4t5y6u7'}", "{'X-Api-Key': '{}'}"),
    "basic": ("Authorization: Basic dXNlcjpwYXNzd29yZDE=\n", "Authorization: Basic {}\n"),
    "an address": (
        "404 for url: https://h/v1?q=2&key=0123456789abcdef&x=1",
        "404 for url: https://h/v1?q=2&key={}&x=1",
    ),
    "signed": ("https://h/f?sig=AbC%2F0123456789abc%3D", "https://h/f?sig={}"),
    "a password": ("connect(host=h password=hunter2hunter2)", "connect(host=h password={})"),
}


@pytest.mark.parametrize("where", NAMED)
def test_what_is_named_a_key_in_an_error_or_a_log_is_hidden_though_nobody_knows_it(where: str) -> None:
    said, clean = NAMED[where][0], NAMED[where][1].replace("{}", HIDDEN)
    nobody = Scrubber([], {})
    assert nobody.text(said) == clean
    for cut in range(1, len(said)):
        stream = ScrubbedBytes(nobody)
        told = stream.feed(said[:cut].encode()) + stream.feed(said[cut:].encode()) + stream.end()
        assert told.decode() == clean, cut
    cell = Cell(CellKey("i0d0", Split.VAL, "e1"), None, ErrorClass.PROGRAM, said, prediction={"answer": said})
    kept = nobody.record(cell)
    assert (kept.error_message, kept.prediction) == (clean, {"answer": said}), "an answer is data and stays"
    assert nobody.record(Event("warning", {"text": said})).data == {"text": clean}


@pytest.mark.parametrize(
    "text",
    [
        "api_key=os.environ['OPENAI_API_KEY']", "the password is wrong", "max_tokens=100000000000",
        "a key: 0123456789012", "api_key_env='MY_VARIABLE_2_OF_3'", "https://host/page?id=0123456789012&keyboard=0123456789012",
    ],
)  # fmt: skip
def test_what_only_speaks_of_keys_is_left_alone(text: str) -> None:
    assert Scrubber([], {}).text(text) == text
