"""Mutants of pages and what they are made of."""

from scripts.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS = (
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
        "if t.kind is TrialKind.FULL and t.done and t.value is not None]",
        "if t.done and t.value is not None]",
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
        ("tests/ui/export/test_takehome_parts.py",),
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
    Mutant(
        "two tabs of the live page are swapped",
        "pages/live.py",
        '"Best candidate", "Trials", "Beliefs"',
        '"Trials", "Best candidate", "Beliefs"',
        ("tests/pages/test_live.py",),
    ),
    Mutant(
        "the live page polls a run that has ended",
        "ui/page/of_run.py",
        "run_every=every_s if polled else None",
        "run_every=every_s",
        ("tests/pages/test_live.py",),
    ),
    Mutant(
        "the compare page compares a candidate with itself",
        "pages/compare.py",
        "(picked.second[0], picked.second[1]),",
        "(picked.first[0], picked.first[1]),",
        ("tests/pages/test_takehome.py",),
    ),
    Mutant(
        "the traces page shows the scores of instructions for demo sets",
        "pages/traces.py",
        "list(editable.instructions).index(name), DEMOS, reader.trials(run.id))",
        'list(editable.instructions).index(name), "instruction", reader.trials(run.id))',
        ("tests/pages/test_traces.py",),
    ),
)
