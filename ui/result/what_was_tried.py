"""What a search did, in sentences for people who were not there. No Streamlit."""

from mipro_studio.optimizer_core.parameters.demos import BY_A_PERSON, made_how
from mipro_studio.optimizer_core.types import Author, TrialKind
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.result.leaders import candidates_tried
from mipro_studio.ui.text.format import count, plural

__all__ = ["what_was_tried"]


def what_was_tried(reader: Reader, run: RunSummary) -> list[str]:
    """What the search did, in sentences."""
    instructions = [arm for arm in reader.instructions(run.id) if arm.index]
    demo_sets = [arm for arm in reader.demo_sets(run.id) if arm.demos]
    trials = [trial for trial in reader.trials(run.id) if trial.done]
    fulls = {trial.candidate for trial in trials if trial.kind is TrialKind.FULL and trial.n_ok}
    n_tried = candidates_tried(trials)
    said = []
    if instructions or demo_sets:
        said.append(
            f"{plural(len(instructions), 'instruction was', 'instructions were')} written and "
            f"{plural(len(demo_sets), 'set')} of worked examples gathered for the steps of the program."
        )
    by_person = [arm for arm in instructions if arm.author is Author.PERSON]
    by_person_sets = [arm for arm in demo_sets if made_how(arm) == BY_A_PERSON]
    if by_person or by_person_sets:
        made = [plural(len(by_person), "instruction")] * bool(by_person)
        sets = plural(len(by_person_sets), "set of worked examples", "sets of worked examples")
        made += [sets] * bool(by_person_sets)
        said.append(f"A person wrote or edited {' and '.join(made)} of these.")
    if n_tried:
        said.append(
            f"{plural(n_tried, 'candidate was', 'candidates were')} tried in {plural(run.trials_done, 'trial')} "
            f"({plural(run.cells_ok + run.cells_error, 'program run')} in all); {_scored_on(len(fulls), n_tried)}."
        )
    if run.cells_error:
        failed = plural(run.cells_error, "program run failed and counts", "program runs failed and count")
        said.append(f"{failed} in no score.")
    return said


def _scored_on(n_full: int, n_tried: int) -> str:
    """On how much of the validation data."""
    if n_tried == 1:
        return f"it was scored on {'all' if n_full else 'a part'} of the validation data"
    if n_full in (0, n_tried):
        return f"all of them were scored on {'all' if n_full else 'a part'} of the validation data"
    were = "was" if n_full == 1 else "were"
    return f"{count(n_full)} of them {were} scored on all of the validation data, the others on a part"
