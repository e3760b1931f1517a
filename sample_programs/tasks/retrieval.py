"""Passages for the multi-hop tasks: BM25 over a local file, or a ColBERTv2 server for those who have one.

The papers search the 5 million abstracts of Wikipedia 2017 with ColBERTv2. Set `MIPRO_STUDIO_COLBERT` to the URL of
such a server to do the same. Otherwise a JSONL file of passages (`title`, `text`) is indexed in memory with bm25s;
a small file makes retrieval easier than it is in the papers.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from mipro_studio.sample_programs.tasks import files

__all__ = ["search", "titles"]

_building = threading.Lock()


def search(corpus: str, query: str, k: int) -> list[str]:
    """The `k` best passages for `query`, best first, each as `title | text`.

    Args:
        corpus: Name of the passage file in the data folder; not read when a ColBERTv2 server is named.

    Raises:
        FileNotFoundError: there is neither a server nor the file.
    """
    server = files.retrieval_server()
    if server:
        import dspy

        return [str(passage["text"]) for passage in dspy.ColBERTv2(url=server)(query, k=k)]
    with _building:  # threads that ask first must not all build the index
        index = _index(files.folder(), corpus)
    return index.search(query, k)


def titles(passages: list[str]) -> list[str]:
    """The titles of passages as `search` gives them."""
    return [passage.partition(" | ")[0] for passage in passages]


class _Bm25:
    """BM25 without English stop words and without stemming, which gives the same ranks on every machine."""

    def __init__(self, passages: list[str]) -> None:
        import bm25s

        self._library: Any = bm25s
        self._passages = passages
        self._retriever: Any = self._library.BM25()
        self._retriever.index(self._words(passages), show_progress=False)

    def _words(self, texts: list[str]) -> Any:
        return self._library.tokenize(texts, stopwords="en", show_progress=False)

    def search(self, query: str, k: int) -> list[str]:
        """An empty or unknown query finds the first passages, as it scores all alike."""
        k = min(k, len(self._passages))
        found, _ = self._retriever.retrieve(self._words([query or ""]), k=k, show_progress=False)
        return [self._passages[index] for index in found[0]]


@lru_cache(maxsize=4)
def _index(folder: Path, corpus: str) -> _Bm25:
    rows = files.read(corpus)
    return _Bm25([f"{row['title']} | {_text(row['text'])}" for row in rows])


def _text(text: Any) -> str:
    """Wiki dumps keep a list of sentences, our own files one text."""
    return "".join(text) if isinstance(text, list) else str(text)
