"""Reading the score table and the arms: what the pages that look closely ask for, one candidate or split a time."""

from collections.abc import Iterable
from typing import Any

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import (
    DEMOS,
    INSTRUCTION,
    TEACHER,
    Arm,
    Cell,
    CellKey,
    ErrorClass,
    Example,
    ExampleScore,
    Json,
    Outcome,
    PromptCall,
    Split,
    Usage,
)
from mipro_studio.storage.codec import USAGE, from_text, to_text
from mipro_studio.storage.reading import (
    read_arms,
    read_cells,
    read_examples,
    read_outcome,
    read_prompt_calls,
)
from mipro_studio.storage.rows import CandidateMean, CellError, CellRow, ScoreMatrix

__all__ = ["CellViews"]


class CellViews:
    """Base of `Reader`: arms, cells and what is summed from cells."""

    _db: Database

    def examples(self, run_id: str, split: Split | None = None) -> list[Example]:
        """Examples of one split by position, or all in the order they were stored."""
        found = list(read_examples(self._db, run_id, split=split))
        return found if split is None else sorted(found, key=lambda example: example.position)

    def arms(self, run_id: str, kind: str | None = None) -> list[Arm]:
        """In the order first written; those of `kind`, where one is named."""
        return list(read_arms(self._db, run_id, kind=kind))

    def instructions(self, run_id: str) -> list[Arm]:
        return self.arms(run_id, INSTRUCTION)

    def demo_sets(self, run_id: str) -> list[Arm]:
        return self.arms(run_id, DEMOS)

    def prompt_calls(self, run_id: str) -> list[PromptCall]:
        return list(read_prompt_calls(self._db, run_id))

    def outcome(self, run_id: str) -> Outcome | None:
        return read_outcome(self._db, run_id)

    def cells(self, run_id: str, candidate: str | None = None, split: Split | None = None) -> list[CellRow]:
        """Cells without prediction and trace, in the order first written."""
        where, values = _narrow(candidate, split)
        rows = self._db.execute(
            f"select seq, candidate, split, example, rollout, score, error, {', '.join(USAGE)}, seconds_s, at "
            f"from cells where run_id = ?{where} order by seq",
            [run_id, *values],
        )
        return [_light(row) for row in rows]

    def cell(self, run_id: str, key: CellKey) -> Cell:
        """One cell with its prediction and trace.

        Raises:
            StudioError: it was never evaluated.
        """
        found = read_cells(
            self._db,
            run_id,
            where=" and c.split = ? and c.candidate = ? and c.example = ? and c.rollout = ?",
            values=[key.split, to_text(key.candidate), to_text(key.example), key.rollout],
        )
        for cell in found:
            return cell
        raise StudioError(f"Run {run_id} has no cell for {key.candidate} on example {key.example}.")

    def cells_of_full(self, run_id: str, split: Split = Split.VAL) -> dict[str, list[Cell]]:
        """Candidate -> its first cells, of those that were asked every example of `split`, in the examples' order."""
        whole = (
            " and c.split = ? and c.rollout = 0 and c.candidate in (select candidate from cells "
            "where run_id = c.run_id and split = c.split and rollout = 0 "
            "group by run_id, split, candidate having count(*) = "
            "(select count(*) from examples where run_id = cells.run_id and split = cells.split))"
        )
        found: dict[str, list[Cell]] = {}
        for cell in read_cells(self._db, run_id, where=whole, values=[split]):
            found.setdefault(cell.key.candidate, []).append(cell)
        return {name: sorted(row, key=lambda cell: cell.key.example) for name, row in found.items()}

    def answers(self, run_id: str, candidate: str, split: Split) -> dict[str, Json]:
        """What `candidate` answered on the examples of `split`, by example id; its first answer to each."""
        return {cell.key.example: cell.prediction for cell in self.whole_cells(run_id, candidate, split)}

    def whole_cells(self, run_id: str, candidate: str, split: Split) -> list[Cell]:
        """The first cell of `candidate` on every example of `split` that it was asked, with prediction and trace."""
        where = " and c.split = ? and c.candidate = ? and c.rollout = 0"
        return list(read_cells(self._db, run_id, where=where, values=[split, to_text(candidate)]))

    def spent_by_predictor(self, run_id: str, candidate: str, split: Split) -> dict[str, tuple[int, Usage]]:
        """Predictor -> (program runs that say so, what its calls took in them), of `candidate` on `split`.

        Empty for runs of a studio that did not keep it.
        """
        where = " and c.split = ? and c.candidate = ?"
        found: dict[str, tuple[int, Usage]] = {}
        for cell in read_cells(self._db, run_id, where=where, values=[split, to_text(candidate)]):
            for name, share in cell.by_predictor.items():
                runs, total = found.get(name, (0, Usage()))
                found[name] = (runs + 1, total + share)
        return found

    def teacher_trace(self, run_id: str, row: str) -> Cell:
        """The teacher's best run on a training row, the first of equals, with its trace.

        Raises:
            StudioError: it never ran on it.
        """
        where = " and c.split = ? and c.candidate = ? and c.example = ?"
        values = [Split.TRAIN, TEACHER, to_text(row)]
        found = list(read_cells(self._db, run_id, where=where, values=values))
        if not found:
            raise StudioError(f"Run {run_id} has no run of the teacher on row {row}.")
        return max(found, key=lambda one: (-1e308 if one.score is None else one.score, -one.key.rollout))

    def teacher_traces(self, run_id: str) -> list[Cell]:
        """The teacher's runs on training rows, with their traces."""
        where = " and c.split = ? and c.candidate = ?"
        return list(read_cells(self._db, run_id, where=where, values=[Split.TRAIN, TEACHER]))

    def candidate_scores(
        self, run_id: str, candidate: str, split: Split = Split.VAL, *, until: str | None = None
    ) -> dict[str, float | None]:
        """Score by example id, the mean over rollouts with a score; None when all that was tried failed.

        Args:
            until: Only cells written up to this time.
        """
        rows = self._db.execute(
            f"select example, avg(score) from cells where run_id = ? and split = ? and candidate = ?"
            f"{' and at <= ?' if until else ''} group by example order by min(seq)",
            [run_id, split, to_text(candidate), *([until] if until else [])],
        )
        return {from_text(example): score for example, score in rows}

    def example_scores(self, run_id: str, candidate: str, split: Split = Split.VAL) -> dict[str, ExampleScore]:
        """What `candidate` did on every example it was asked, by example id, in the order first asked."""
        rows = self._db.execute(
            "select example, avg(score), max(error), avg(input_tokens + output_tokens), "
            "case when count(cost_usd) = count(*) then avg(cost_usd) end, avg(seconds_s) "
            "from cells where run_id = ? and split = ? and candidate = ? group by example order by min(seq)",
            [run_id, split, to_text(candidate)],
        )
        return {
            from_text(example): ExampleScore(score, ErrorClass(error) if score is None else None, *spent)
            for example, score, error, *spent in rows
        }

    def spending(self, run_id: str) -> list[tuple[str, Split, int, Usage]]:
        """(time, split, cells, what they spent) of the cells written at one time, oldest first."""
        rows = self._db.execute(
            "select at, split, count(*), sum(calls), sum(retries), sum(input_tokens), sum(output_tokens), "
            "case when count(cost_usd) = count(*) then sum(cost_usd) end, sum(lm_s), sum(estimated_tokens) "
            "from cells where run_id = ? group by at, split order by at",
            [run_id],
        )
        return [(at, Split(split), n, Usage(*spent)) for at, split, n, *spent in rows]

    def candidate_means(self, run_id: str, split: Split = Split.VAL) -> list[CandidateMean]:
        """One row for every candidate with a cell in `split`, in order of its first cell."""
        rows = self._db.execute(
            "select candidate, count(score), count(error), avg(score), coalesce(sum(score), 0.0), "
            "coalesce(sum(score * score), 0.0) "
            "from cells where run_id = ? and split = ? group by candidate order by min(seq)",
            [run_id, split],
        )
        return [CandidateMean(from_text(candidate), *sums) for candidate, *sums in rows]

    def score_matrix(self, run_id: str, split: Split = Split.VAL) -> ScoreMatrix:
        """The score table of one split as a matrix."""
        columns = self._columns(run_id, split)
        first: dict[str, int] = {}
        found: dict[str, list[tuple[int, float | None, str | None]]] = {}
        # Grouped in the order of the key, so that SQLite sorts nothing.
        rows = self._db.execute(
            "select candidate, example, avg(score), max(error), min(seq) from cells "
            "where run_id = ? and split = ? group by candidate, example",
            [run_id, split],
        )
        for candidate, example, score, error, seq in rows:
            j = columns.setdefault(example, len(columns))
            found.setdefault(candidate, []).append((j, score, error))
            first[candidate] = min(seq, first.get(candidate, seq))
        candidates = sorted(first, key=first.__getitem__)
        scores: list[list[float | None]] = [[None] * len(columns) for _ in candidates]
        errors: dict[tuple[int, int], ErrorClass] = {}
        for i, candidate in enumerate(candidates):
            for j, score, error in found[candidate]:
                scores[i][j] = score
                if score is None:
                    errors[i, j] = ErrorClass(str(error))
        return ScoreMatrix([*map(from_text, candidates)], [*map(from_text, columns)], scores, errors)

    def _columns(self, run_id: str, split: Split) -> dict[str, int]:
        rows = self._db.execute(
            "select id from examples where run_id = ? and split = ? order by position, seq", [run_id, split]
        )
        return {identity: j for j, (identity,) in enumerate(rows)}

    def count_cells(self, run_id: str, split: Split) -> int:
        found = self._db.execute("select count(*) from cells where run_id = ? and split = ?", [run_id, split])
        return int(found.fetchone()[0])

    def missing_cells(self, run_id: str, candidates: Iterable[str], split: Split = Split.VAL) -> int:
        """How many cells the candidates lack on the rows of `split`."""
        rows = "select count(*) from examples where run_id = ? and split = ?"
        n = int(self._db.execute(rows, [run_id, split]).fetchone()[0])
        return sum(n - len(self.candidate_scores(run_id, one, split)) for one in candidates)

    def errors_by_class(self, run_id: str) -> dict[str, int]:
        """How many cells are in error now, by class, the most frequent first."""
        rows = self._db.execute(
            "select error, count(*) from cells where run_id = ? and error is not null "
            "group by error order by count(*) desc, error",
            [run_id],
        )
        return dict(rows.fetchall())

    def recent_errors(self, run_id: str, limit: int = 20) -> list[CellError]:
        """Cells in error, the latest first."""
        # Left to itself SQLite reads all cells of the run.
        rows = self._db.execute(
            "select candidate, split, example, rollout, error, error_message, at "
            "from cells indexed by cells_in_error "
            "where run_id = ? and error is not null order by at desc, seq desc limit ?",
            [run_id, limit],
        )
        return [CellError(_key(*key), ErrorClass(error), from_text(message), at) for *key, error, message, at in rows]


def _narrow(candidate: str | None, split: Split | None) -> tuple[str, list[str]]:
    # Naming every split lets SQLite seek to a candidate although the split comes first in the key.
    splits = [*Split] if split is None else [split]
    where = f" and split in ({', '.join('?' * len(splits))})"
    if candidate is None:
        return where, [*splits]
    return f"{where} and candidate = ?", [*splits, to_text(candidate)]


def _key(candidate: str, split: str, example: str, rollout: int) -> CellKey:
    return CellKey(from_text(candidate), Split(split), from_text(example), rollout)


def _light(row: tuple[Any, ...]) -> CellRow:
    seq, candidate, split, example, rollout, score, error, *spent, seconds_s, at = row
    return CellRow(
        seq,
        _key(candidate, split, example, rollout),
        score,
        None if error is None else ErrorClass(error),
        Usage(*spent),
        seconds_s,
        at,
    )
