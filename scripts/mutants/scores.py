"""Mutants of cells, scores, models and caps."""

from scripts.mutants.mutant import CORE, Mutant

__all__ = ["MUTANTS"]

MUTANTS = (
    Mutant(
        "a failed cell counts as a score of 0",
        "optimizer_core/evaluation/score_table.py",
        "scores = [value for cell in asked if (value := of(cell)) is not None]",
        "scores = [of(cell) or 0.0 for cell in asked]",
        (f"{CORE}/evaluation/test_score_table.py",),
    ),
    Mutant(
        "a score may be replaced by a later one",
        "optimizer_core/evaluation/score_table.py",
        "if old is not None and old.score is not None:",
        "if False:",
        (f"{CORE}/evaluation/test_score_table.py",),
    ),
    Mutant(
        "a cell that is known is paid for again",
        "optimizer_core/evaluation/evaluator.py",
        "return cell.error is None or not cell.error.transient or key in self._tried",
        "return False",
        (f"{CORE}/evaluation/test_evaluator.py",),
    ),
    Mutant(
        "the cap on program runs lets one more through",
        "optimizer_core/evaluation/evaluator.py",
        "return self._cap is None or self.program_runs + program_runs <= self._cap",
        "return self._cap is None or self.program_runs + program_runs <= self._cap + 1",
        (f"{CORE}/evaluation/test_evaluator.py",),
    ),
    Mutant(
        "a cell is acted upon before it is committed",
        "optimizer_core/evaluation/evaluator.py",
        "            await self._recorder.write(cell)\n            self._table.put(cell)\n",
        "            self._table.put(cell)\n            await self._recorder.write(cell)\n",
        (f"{CORE}/evaluation/test_evaluator.py",),
    ),
    Mutant(
        "a cell that failed for a moment gets no second chance",
        "optimizer_core/evaluation/evaluator.py",
        "if cell.error is not None and cell.error.transient:",
        "if False:",
        (f"{CORE}/evaluation/test_evaluator.py",),
    ),
    Mutant(
        "the cap on model calls lets one more through",
        "optimizer_core/models/meter.py",
        "if cap and used >= cap)",
        "if cap and used > cap)",
        (f"{CORE}/models/test_meter.py",),
    ),
    Mutant(
        "refusals that come whatever the pace are taken for a limit",
        "optimizer_core/models/sharing/refusal_cause.py",
        "elif self._row >= self._needed and self._share <= HIGHEST_SHARE:",
        "elif False:",
        (f"{CORE}/models/test_endpoint_limit.py",),
    ),
    Mutant(
        "a refusal of a call that began before the last cut counts once more",
        "optimizer_core/models/sharing/endpoint_limit.py",
        "if end.begun_at < max(self._cut_at, self._closed_until):",
        "if False:",
        (f"{CORE}/models/test_endpoint_limit.py",),
    ),
    Mutant(
        "calls at once do not rise with answers",
        "optimizer_core/models/sharing/at_once.py",
        "            return 1.0\n",
        "            return 0.0\n",
        (f"{CORE}/models/test_endpoint_limit.py",),
    ),
    Mutant(
        "a judge of the sealed test is counted against the caps",
        "optimizer_core/models/meter.py",
        "return Role.JUDGE_TEST if self._testing and role is Role.JUDGE else role",
        "return role",
        (f"{CORE}/models/test_meter.py", f"{CORE}/metrics/test_judge.py"),
    ),
    Mutant(
        "a rate limit is an unknown failure of the server",
        "optimizer_core/models/classes.py",
        "(LMRateLimitError, ErrorClass.RATE_LIMIT),",
        "(LMRateLimitError, ErrorClass.SERVER),",
        (f"{CORE}/models/test_lms.py",),
    ),
)
