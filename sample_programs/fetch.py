"""Fetch the papers' data from their official sources into the data folder, once.

    python -m pip install -r requirements-data.txt
    python -m sample_programs.fetch hotpotqa gsm8k

The `datasets` library downloads, shows its progress and keeps a cache. Kept is one JSONL file a task (and one of
passages), with the fields that the tasks read. Nothing here is fetched unless somebody runs this.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from mipro_studio.sample_programs.tasks.convert import (
    conditional_row,
    gsm8k_row,
    heart_row,
    hotpotqa_row,
    hover_row,
    passages,
    scone_row,
    sst2_row,
    trec_row,
)
from mipro_studio.sample_programs.tasks.files import folder

__all__ = ["SOURCES", "fetch", "main"]

Row = dict[str, Any]
Load = Callable[..., Any]

TRAIN_ROWS: Final = 2_000
"""HotPotQA has 90,447 training questions; the papers use at most 1,500 of them."""

_RAW: Final = "https://raw.githubusercontent.com"
_DSPY: Final = f"{_RAW}/stanfordnlp/dspy/b2e1bbd8f479ecfff35dd354aac3e804792e268d/testing/datasets"
_SCONE: Final = f"{_RAW}/selenashe/ScoNe/b02532a2f4185c6118a57a148455e0750592d8c8/scone_nli"
_HOVER: Final = f"{_RAW}/hover-nlp/hover/39b84697f196308f398a251a7aea9b82ae0f0562/data/hover"
_SCONE_FILES: Final = (
    *("no_negation", "one_not_scoped", "two_not_scoped"),
    *("one_scoped", "two_scoped", "one_scoped_one_not_scoped"),
)


def _hotpotqa(load: Load) -> Iterator[tuple[str, Row]]:
    """Questions with the ten paragraphs that the distractor setting gives each: gold ones and lures."""
    seen: set[str] = set()
    # Only hard questions of the training file, as in the papers; the validation file is all hard.
    train = (row for row in load("hotpotqa/hotpot_qa", "distractor", split="train") if row["level"] == "hard")
    parts = (("train", zip(train, range(TRAIN_ROWS), strict=False)), ("test", None))
    for split, some in parts:
        rows = (row for row, _ in some) if some else load("hotpotqa/hotpot_qa", "distractor", split="validation")
        for row in rows:
            yield "hotpotqa.jsonl", hotpotqa_row(row, split)
            for passage in passages(row):
                if passage["title"] not in seen:
                    seen.add(passage["title"])
                    yield "hotpotqa_corpus.jsonl", passage


def _plain(name: str, convert: Callable[[Row, str], Row | None], splits: dict[str, str], **where: Any) -> Any:
    def rows(load: Load) -> Iterator[tuple[str, Row]]:
        for official, split in splits.items():
            for row in load(where["path"], where.get("config"), split=official, **where.get("more", {})):
                made = convert(row, split)
                if made is not None:
                    yield f"{name}.jsonl", made

    return rows


def _files(name: str, kind: str, urls: dict[str, str], convert: Callable[[Row, str], Row | None]) -> Any:
    def rows(load: Load) -> Iterator[tuple[str, Row]]:
        for split, url in urls.items():
            for row in load(kind, data_files=url, split="train"):
                made = convert(row, split)
                if made is not None:
                    yield f"{name}.jsonl", made

    return rows


def _scone(load: Load) -> Iterator[tuple[str, Row]]:
    for split in ("train", "test"):
        for category in _SCONE_FILES:
            url = f"{_SCONE}/{split}/{category}.csv"
            for number, row in enumerate(load("csv", data_files=url, split="train")):
                yield "scone.jsonl", scone_row(row, split, category, number)


SOURCES: Final[dict[str, Callable[[Load], Iterator[tuple[str, Row]]]]] = {
    "hotpotqa": _hotpotqa,
    "hotpotqa_conditional": _files(
        "hotpotqa_conditional",
        "csv",
        {part: f"{_DSPY}/hotpotqa_conditional/hotpot_{part}.csv" for part in ("train", "dev", "test")},
        conditional_row,
    ),
    "hover": _files(
        "hover",
        "json",
        {split: f"{_HOVER}/hover_{part}_release_v1.1.json" for split, part in (("train", "train"), ("test", "dev"))},
        hover_row,
    ),
    "scone": _scone,
    "gsm8k": _plain("gsm8k", gsm8k_row, {"train": "train", "test": "test"}, path="openai/gsm8k", config="main"),
    "heart_disease": _plain("heart_disease", heart_row, {"train": ""}, path="buio/heart-disease"),
    "sst2": _plain("sst2", sst2_row, {"train": "train", "test": "test"}, path="SetFit/sst2"),
    "trec": _plain(
        "trec",
        trec_row,
        {"train": "train", "test": "test"},
        path="CogComp/trec",
        more={"revision": "refs/convert/parquet"},  # its loading script is refused by datasets 4 and later
    ),
}
"""Task -> what yields (file name, row) when given `datasets.load_dataset`."""


def fetch(task: str, load: Load) -> dict[str, int]:
    """Write the files of `task`, whole or not at all. Returns the rows of each."""
    folder().mkdir(parents=True, exist_ok=True)
    made: dict[str, list[str]] = {}
    for name, row in SOURCES[task](load):
        made.setdefault(name, []).append(json.dumps(row, ensure_ascii=False))
    for name, lines in made.items():
        temporary = folder() / f".{name}.part"
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        temporary.replace(folder() / name)
    return {name: len(lines) for name, lines in made.items()}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m sample_programs.fetch", description="Fetch official data sets.")
    parser.add_argument("task", nargs="+", choices=[*SOURCES], metavar="TASK", help=", ".join(SOURCES))
    tasks = parser.parse_args(arguments).task
    try:
        from datasets import load_dataset
    except ImportError:
        print("Fetching needs the datasets library: python -m pip install -r requirements-data.txt", file=sys.stderr)
        return 2
    for task in tasks:
        for name, count in fetch(task, load_dataset).items():
            print(f"{folder() / name}: {count} rows")
        if task == "hover":
            print("HoVer comes without passages: put title and text of Wikipedia abstracts, one JSON object a line, "
                  "into hover_corpus.jsonl there, or name a ColBERTv2 server in MIPRO_STUDIO_COLBERT.")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
