"""A predictor's model as one line of text."""

import pytest

from mipro_studio.optimizer_core.config import ModelSpec
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.models.model_text import priced, read_model, write_model

LINES = {
    "draft=openai/gpt-4o-mini": ("draft", {"model": "openai/gpt-4o-mini"}),
    "steps[0].predict=openai/x@http://h:1/v1,temperature=0.2,max_tokens=100": (
        "steps[0].predict",
        {"model": "openai/x", "api_base": "http://h:1/v1", "temperature": 0.2, "max_tokens": 100},
    ),
    "named['x']=vertex_ai/claude@20250101,api_key_env=MY_KEY,timeout_s=9": (
        "named['x']",
        {"model": "vertex_ai/claude@20250101", "api_key_env": "MY_KEY", "timeout_s": 9.0},
    ),
    "a=embedded": ("a", {"model": "embedded"}),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read_and_written_back(line: str) -> None:
    name, spec = read_model(line)
    assert (name, spec) == LINES[line]
    assert read_model(write_model(name, ModelSpec(**spec).model_dump())) == (name, spec)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("draft", "is no model for a predictor"),
        ("=openai/x", "is no model for a predictor"),
        ("draft=", "is no model for a predictor"),
        ("draft=openai/x,colour=red", "'colour=red' is no setting of a model"),
        ("draft=openai/x,temperature=hot", "temperature=hot is not a number"),
        ("draft=openai/x,temperature", "'temperature' is no setting"),
    ],
)
def test_what_is_no_model_gets_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read_model(line)


CONFIG = {
    "task_model": {"model": "openai/a"},
    "prompt_model": {"model": "openai/b", "temperature": 0.5},
    "teacher": {"model": "embedded"},
    "models": {"draft": {"model": "openai/c"}},
}


def test_a_price_is_of_every_endpoint_or_of_the_one_it_names() -> None:
    found = priced(CONFIG, ["prompt=2.5/10", "0.15/0.6"])
    cheap, dear = ({"input_usd_per_mtok": a, "output_usd_per_mtok": b} for a, b in ((0.15, 0.6), (2.5, 10.0)))
    assert found == {
        "task_model": {"model": "openai/a", **cheap},
        "prompt_model": {"model": "openai/b", "temperature": 0.5, **dear},
        "teacher": {"model": "embedded"},
        "models": {"draft": {"model": "openai/c", **cheap}},
    }
    assert priced(CONFIG, ["draft=1/2"])["models"]["draft"]["output_usd_per_mtok"] == 2.0
    assert priced(CONFIG, []) == CONFIG


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["cheap"], "'cheap' is no price"),
        (["1"], "'1' is no price"),
        (["teacher=1/2"], "The price of teacher is of no model here. There are: task, prompt, draft"),
        (["judge=1/2"], "of no model here"),
    ],
)
def test_a_price_of_nothing_is_one_sentence(texts: list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        priced(CONFIG, texts)
    with pytest.raises(BadInput, match="name a model first"):
        priced({"task_model": {"model": "embedded"}}, ["1/2"])
