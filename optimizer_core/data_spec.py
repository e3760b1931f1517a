"""Where rows come from, which columns are what, and how they are split: what a person asks for."""

from pydantic import Field

from mipro_studio.optimizer_core.model_spec import Positive, Settings

__all__ = ["DataSpec"]


class DataSpec(Settings):
    """Where rows come from: `sample`, one source that is split, or one source a split.

    A source is a file, or `path.py:name`: a list of `dspy.Example` or of objects, or a function that returns one.

    Attributes:
        data: One source to be split.
        train, val, test: A source for each split, instead of `data`.
        split: Shares of train, validation and sealed test when one source is split.
        stratify: Column whose values keep their shares in every split; None picks the label that the program
            predicts if it is categorical, `none` draws without.
        group: Column whose values stay whole: rows that share one are in one split.
        inputs: Names of the program's inputs.
        labels: Columns that built-in metrics score, that a row may not lack, and that a split is stratified by; empty
            = those that the program puts out at its end. All other columns are kept, for metrics and demos.
        empty_is_answer: An empty label is the answer "", and not a row without one.
        columns: Column in the file -> field of the program, for those that differ.
        limit: Most rows that are taken of each source.
        delimiter: Of CSV files: a character or tab, comma, semicolon, pipe; None = found out.
        encoding: Of text files; None = found out.
    """

    data: str | None = None
    train: str | None = None
    val: str | None = None
    test: str | None = None
    split: tuple[float, float, float] = (0.4, 0.4, 0.2)
    stratify: str | None = None
    group: str | None = None
    inputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    empty_is_answer: bool = False
    columns: dict[str, str] = Field(default_factory=dict)
    limit: Positive | None = None
    delimiter: str | None = None
    encoding: str | None = None
