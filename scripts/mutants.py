"""What `scripts.mutations` breaks: an edit of one file, and the tests that should notice."""

from dataclasses import dataclass

__all__ = ["MUTANTS", "Mutant"]

CORE = "tests/optimizer_core"


@dataclass(frozen=True)
class Mutant:
    """`old` stands in `file` exactly once and becomes `new`; one of `tests` should fail then."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    # optimizer_core: cells and scores
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
        (f"{CORE}/test_meter.py",),
    ),
    Mutant(
        "a judge of the sealed test is counted against the caps",
        "optimizer_core/models/meter.py",
        "return Role.JUDGE_TEST if self._testing and role is Role.JUDGE else role",
        "return role",
        (f"{CORE}/test_meter.py", f"{CORE}/metrics/test_judge.py"),
    ),
    Mutant(
        "a rate limit is an unknown failure of the server",
        "optimizer_core/models/classes.py",
        "(LMRateLimitError, ErrorClass.RATE_LIMIT),",
        "(LMRateLimitError, ErrorClass.SERVER),",
        (f"{CORE}/test_lms.py",),
    ),
    # optimizer_core: the search and its result
    Mutant(
        "the worst full evaluation wins",
        "optimizer_core/runs/extraction.py",
        "best = max(eligible, key=lambda name: eligible[name])",
        "best = min(eligible, key=lambda name: eligible[name])",
        (f"{CORE}/runs/test_run.py",),
    ),
    Mutant(
        "a candidate that a person took out may win",
        "optimizer_core/runs/extraction.py",
        "allowed = candidate not in out and context.allows(Candidate.parse(candidate))",
        "allowed = candidate not in out",
        (f"{CORE}/runs/test_apply_edits.py",),
    ),
    Mutant(
        "a candidate with errors on many rows may win",
        "optimizer_core/runs/extraction.py",
        "whole = whole and known.n_error - len(hopeless) <= MOST_ERRORS * (n - len(hopeless))",
        "pass",
        (f"{CORE}/runs/test_extraction.py",),
    ),
    Mutant(
        "what the winner's luck is worth is not taken off",
        "optimizer_core/analysis/winner.py",
        '"optimism": observed - mean}',
        '"optimism": 0.0}',
        (f"{CORE}/analysis/test_winner.py",),
    ),
    Mutant(
        "a paired difference has the wrong sign",
        "optimizer_core/analysis/statistics.py",
        "[after - before for before, after in pairs]",
        "[before - after for before, after in pairs]",
        (f"{CORE}/analysis/test_statistics.py",),
    ),
    Mutant(
        "Wilson's interval lacks a term",
        "optimizer_core/analysis/statistics.py",
        "np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))",
        "np.sqrt(share * (1 - share) / n)",
        (f"{CORE}/analysis/test_statistics.py",),
    ),
    Mutant(
        "all concerns share one generator",
        "optimizer_core/seeds.py",
        "text = repr((seed, *concern)).encode()",
        "text = repr((seed,)).encode()",
        (f"{CORE}/test_seeds.py",),
    ),
    Mutant(
        "a decision knows a trial less than the lag says",
        "optimizer_core/runs/loop.py",
        "return max(len(self._items) + 1 - self._settings.lag, last.known or 0, 0)",
        "return max(len(self._items) - self._settings.lag, last.known or 0, 0)",
        (f"{CORE}/runs/test_run.py",),
    ),
    Mutant(
        "the minibatch schedule evaluates its worst candidate in full",
        "optimizer_core/search/schedules.py",
        "return max(means, key=lambda one:",
        "return min(means, key=lambda one:",
        (f"{CORE}/search/test_schedules.py",),
    ),
    Mutant(
        "a race draws other examples for every candidate",
        "optimizer_core/search/schedules.py",
        'generator(state.seed, "racing").shuffle(order)',
        'generator(state.seed, "racing", number).shuffle(order)',
        (f"{CORE}/search/test_schedules.py",),
    ),
    Mutant(
        "TPE looks for the lowest score",
        "optimizer_core/search/surrogates/tpe.py",
        'study = optuna.create_study(direction="maximize", sampler=sampler)\n            study.add_trials',
        'study = optuna.create_study(direction="minimize", sampler=sampler)\n            study.add_trials',
        (f"{CORE}/test_surrogates.py",),
    ),
    Mutant(
        "importance calls noise real",
        "optimizer_core/analysis/importance.py",
        "ERROR = 0.03",
        "ERROR = 0.6",
        (f"{CORE}/analysis/test_importance.py",),
    ),
    Mutant(
        "a trace at the threshold makes no demo",
        "optimizer_core/proposers/bootstrap.py",
        "return cell.score is not None and cell.score >= self._settings.threshold",
        "return cell.score is not None and cell.score > self._settings.threshold",
        (f"{CORE}/proposers/test_bootstrap.py",),
    ),
    Mutant(
        "a row is a bootstrapped and a labelled demo of one set",
        "optimizer_core/proposers/bootstrap.py",
        "spare = [self._rows[i] for i in plan.order if self._rows[i].id not in used]",
        "spare = [self._rows[i] for i in plan.order]",
        (f"{CORE}/proposers/test_bootstrap.py",),
    ),
    Mutant(
        "an arm of a person's that was taken out again is tried",
        "optimizer_core/runs/apply_edits.py",
        "if arm.active and CHANGE in arm.provenance and",
        "if CHANGE in arm.provenance and",
        (f"{CORE}/runs/test_apply_edits.py",),
    ),
    Mutant(
        "every proposal gets the same tip",
        "optimizer_core/proposers/proposer.py",
        'return generator(self._seed, "tip", predictor, index).choice(tips) if tips else "none"',
        'return generator(self._seed, "tip").choice(tips) if tips else "none"',
        (f"{CORE}/proposers/test_proposer.py",),
    ),
    Mutant(
        "rows of one group go to several splits",
        "optimizer_core/data/splitting.py",
        "for keys in (questions, groups):",
        "for keys in (questions,):",
        (f"{CORE}/data",),
    ),
    Mutant(
        "an exported program has lost its demos",
        "optimizer_core/exports/export.py",
        "predictor.demos = [_as_json(demo, predictor.signature) for demo in predictor.demos]",
        "predictor.demos = []",
        (f"{CORE}/exports/test_export.py",),
    ),
    Mutant(
        "an exported program holds the keys of its models",
        "optimizer_core/exports/export.py",
        "if not _SECRET.search(name)}",
        "}",
        (f"{CORE}/exports/test_export.py",),
    ),
    Mutant(
        "a key that contains another leaves its end behind",
        "optimizer_core/secrets.py",
        "self._secrets = sorted({*self._secrets, *told}, key=len, reverse=True)",
        "self._secrets = sorted({*self._secrets, *told}, key=len)",
        (f"{CORE}/test_secrets.py",),
    ),
    Mutant(
        "helper processes get every key",
        "optimizer_core/environment.py",
        "return {name: value for name, value in known.items() if name in {*passed, *names}}",
        "return known",
        (f"{CORE}/test_environment.py", "tests/control/test_helper_client.py"),
    ),
    # optimizer_core: the objective
    Mutant(
        "a price is put on instead of taken off",
        "optimizer_core/evaluation/objective.py",
        "return score - sum(price",
        "return score + sum(price",
        (f"{CORE}/evaluation/test_objective.py",),
    ),
    Mutant(
        "a program run over a limit keeps its score",
        "optimizer_core/evaluation/objective.py",
        "score = min(cell.score, 0.0) if self._over(known) else cell.score",
        "score = cell.score",
        (f"{CORE}/evaluation/test_objective.py",),
    ),
    Mutant(
        "surrogates are told the score where something else is maximized",
        "optimizer_core/search/knowledge.py",
        "cells = {name: self._objective(row[name]) for name in asked if name in row}",
        "cells = {name: row[name].score for name in asked if name in row}",
        (f"{CORE}/runs/test_objective_run.py",),
    ),
    Mutant(
        "the winner is chosen by the score where something else is maximized",
        "optimizer_core/runs/extraction.py",
        "known = context.table.mean(candidate, Split.VAL, of=context.objective)",
        "known = context.table.mean(candidate, Split.VAL)",
        (f"{CORE}/runs/test_extraction.py",),
    ),
    Mutant(
        "a candidate that breaks a limit may win",
        "optimizer_core/runs/extraction.py",
        "allowed = candidate not in out and context.allows(",
        "allowed = context.allows(",
        (f"{CORE}/runs/test_extraction.py",),
    ),
    # storage
    Mutant(
        "a worker that was replaced writes on",
        "storage/lifecycle.py",
        "if owner != worker_id:",
        "if False:",
        ("tests/storage/test_lifecycle.py",),
    ),
    Mutant(
        "two workers can claim one run",
        "storage/lifecycle.py",
        "if status_of(db, run_id) is not Status.QUEUED:",
        "if status_of(db, run_id) not in (Status.QUEUED, Status.RUNNING):",
        ("tests/storage/test_lifecycle.py",),
    ),
    Mutant(
        "a run whose lease is over stays running",
        "storage/lifecycle.py",
        "if row is None or not Lease(*row[2:]).is_over(now) or felt(store, run_id, row[1], now):",
        "if True:",
        ("tests/storage/test_lifecycle.py",),
    ),
    Mutant(
        "a stored score is overwritten",
        "storage/writing.py",
        "if old is not None and old[1] is None:",
        "if False:",
        ("tests/storage/test_journal.py",),
    ),
    Mutant(
        "half an emoji cannot be stored",
        "storage/codec.py",
        "if not value.isascii():",
        "if False:",
        ("tests/storage/test_codec.py",),
    ),
    Mutant(
        "the best of a run is the best minibatch",
        "storage/writing.py",
        "[TrialKind.BASELINE, TrialKind.BASELINE, TrialKind.FULL, run_id, run_id],",
        "[TrialKind.BASELINE, TrialKind.BASELINE, TrialKind.MINIBATCH, run_id, run_id],",
        ("tests/storage/test_journal.py", "tests/storage/views/test_reader.py"),
    ),
    Mutant(
        "runs are listed oldest first",
        "storage/views/runs.py",
        'f"{_SUMMARY} where {SEEN} order by created_at desc, rowid desc limit ? offset ?"',
        'f"{_SUMMARY} where {SEEN} order by created_at, rowid limit ? offset ?"',
        ("tests/storage/views/test_reader.py",),
    ),
    # ui
    Mutant(
        "a diff has its sides swapped",
        "ui/text/diffs.py",
        '(("del", a[a0:a1]), ("ins", b[b0:b1]))',
        '(("ins", a[a0:a1]), ("del", b[b0:b1]))',
        ("tests/ui/text/test_diffs.py",),
    ),
    Mutant(
        "a diff puts foreign text into the page as HTML",
        "ui/text/diffs.py",
        "        html.escape(piece.text)\n        if piece.kind",
        "        piece.text\n        if piece.kind",
        ("tests/ui/text/test_diffs.py",),
    ),
    Mutant(
        "an unknown price is free",
        "ui/text/format.py",
        "    if value is None:\n        return missing\n",
        '    if value is None:\n        return "$0"\n',
        ("tests/ui/text/test_format.py",),
    ),
    Mutant(
        "the best full evaluation may be a minibatch",
        "ui/charts/figures.py",
        "if trial.kind is TrialKind.FULL and trial.value is not None]",
        "if trial.value is not None]",
        ("tests/ui/charts/test_figures.py",),
    ),
    Mutant(
        "a run that has ended can be paused",
        "ui/text/status.py",
        'return run.status is Status.RUNNING and not {"pause", "stop"} & {*obeying}',
        'return not {"pause", "stop"} & {*obeying}',
        ("tests/control/test_commands.py",),
    ),
    Mutant(
        "the report does not escape foreign text",
        "ui/export/report.py",
        "autoescape=True",
        "autoescape=False",
        ("tests/ui/test_takehome_parts.py",),
    ),
    Mutant(
        "a note fetches the images it names",
        "ui/text/note_text.py",
        'MarkdownIt("js-default").disable("image")',
        'MarkdownIt("js-default")',
        ("tests/ui/text/test_note_text.py",),
    ),
    Mutant(
        "an upload of any size is kept",
        "ui/page/uploads.py",
        "if len(content) > MAX_MB * 1024 * 1024:",
        "if False:",
        ("tests/ui/page/test_uploads.py",),
    ),
    Mutant(
        "the result says won for lost",
        "ui/result/headline.py",
        "better on {pair['won'] or 'none'}, worse on {pair['lost'] or 'none'}",
        "better on {pair['lost'] or 'none'}, worse on {pair['won'] or 'none'}",
        ("tests/pages/test_live.py",),
    ),
    Mutant(
        "any token opens the studio",
        "ui/page/door.py",
        'same_token(_query(scope).get(PARAMETER, ""), self._token)',
        "_query(scope).get(PARAMETER)",
        ("tests/ui/page/test_door.py",),
    ),
    # pages
    Mutant(
        "two tabs of the live page are swapped",
        "pages/live.py",
        '"Best candidate", "Trials", "Beliefs"',
        '"Trials", "Best candidate", "Beliefs"',
        ("tests/pages/test_live.py",),
    ),
    Mutant(
        "the live page polls a run that has ended",
        "pages/live.py",
        "st.fragment(draw, run_every=POLL_S if polled else None)",
        "st.fragment(draw, run_every=POLL_S)",
        ("tests/pages/test_live.py",),
    ),
    Mutant(
        "the compare page compares a candidate with itself",
        "pages/compare.py",
        "reader, (picked.first[0], picked.first[1]), (picked.second[0], picked.second[1]), picked.split",
        "reader, (picked.first[0], picked.first[1]), (picked.first[0], picked.first[1]), picked.split",
        ("tests/pages/test_takehome.py",),
    ),
    Mutant(
        "the traces page shows the scores of instructions for demo sets",
        "pages/traces.py",
        "list(board.instructions).index(name), DEMOS, reader.trials(run.id))",
        'list(board.instructions).index(name), "instruction", reader.trials(run.id))',
        ("tests/pages/test_traces.py",),
    ),
    # entries
    Mutant(
        "a run that a cap ended exits with 0",
        "commands/output.py",
        '    if facts["status"] == Status.COMPLETED and facts["capped"]:\n        return 3\n',
        "",
        ("tests/test_cli.py",),
    ),
    Mutant(
        "a replay file holds the keys that were in the run",
        "control/take_home.py",
        "return scrubber.record(_without(folders, value))",
        "return _without(folders, value)",
        ("tests/control/test_exports.py",),
    ),
)
