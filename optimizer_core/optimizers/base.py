"""The four questions of Algorithm 1 (MIPRO section 2) that every optimizer answers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mipro_studio.optimizer_core.analysis.importance import importance
from mipro_studio.optimizer_core.catalogue import OPTIMIZERS
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Candidate, Json

__all__ = ["Optimizer", "View", "Work"]


@dataclass(frozen=True)
class View:
    """What a suggestion may know: all trials but the latest, which are under way (see `SearchSettings.lag`).

    Attributes:
        number: Which suggestion is asked for, from 1; trials of a person's arms are not suggestions.
        observed: Finished trials in order, with means over the validation cells behind them.
        pending: Candidates under way.
        exhausted: Ids of candidates evaluated on the whole validation set.
        seed: For this suggestion.
        progress: Share of the trials, or of the cap on program runs, that is spent, from 0 to 1.
        trial: Number of the trial that the suggestion becomes, from 1.
        room: Program runs that the cap leaves after the trials asked for so far; None = no cap.
    """

    number: int
    observed: Sequence[Observation]
    pending: Sequence[Candidate]
    exhausted: frozenset[str]
    seed: int
    progress: float = 0.0
    trial: int = 1
    room: int | None = None


@dataclass(frozen=True)
class Work:
    """What an optimizer will ask of the models beside the cells of its trials, for the plan.

    Attributes:
        trials: Most trials it can use; it ends early when the settings allow more.
        instructions: Calls of the prompt model that write instructions.
        grounded: It has the summaries written that `ProposerSettings` asks for.
        bootstrapped: Most bootstrapped demos in a set it builds; 0 = the teacher never runs.
        tries: Most teacher runs, as a multiple of the training rows.
        traces: Most times that the task model runs on every training row, beside its trials.
        tunings: Times that weights are tuned, each at most on every call of a pass over the training rows.
        tested: Programs that are scored on the sealed test, the baseline counted.
        reflection_rows: Of its trials' cells, it spends so many on training rows for each instruction; 0 = none.
    """

    trials: int
    instructions: int
    grounded: bool
    bootstrapped: int
    reflection_rows: int = 0
    tries: int = 1
    traces: int = 0
    tunings: int = 0
    tested: int = 2


class Optimizer(ABC):
    """One system of the seeds, put together from exchangeable parts.

    Extracting the best candidate is the same for all (the best full evaluation) and belongs to the search;
    updating is reading the score table, so an optimizer keeps no state of its own and resumes by being asked again.

    Attributes:
        name: As it stands in the catalogue, which says what it is in a line and what it searches.
        searches: What of a predictor the candidates differ in; the rest keeps the seed's arm.
        may_search: Further kinds of arms that it searches where `SearchSettings.kinds` names them.
        takes: Of these, what a person may add arms to; None = all.
        drops: A person may take arms out of the search.
        defaults: Settings, nested as in `RunConfig`, for whatever a person left open.
        under_preset: By a preset's name, settings that it means for this optimizer beside its own.
        under_small_cap: More of them under a cap of at most `presets.SMALL_CAP` program runs.
        fixed: Settings that make the optimizer what it is; they overrule a person's.
        reviewed: What a person can read, edit and reject before the search begins; empty where it is all written
            during the search, so that the review gate has nothing to stop for.
        exhausted: Why there may be no next candidate, for people.
        evaluates: It fills cells of the validation set; False = it ends when it has proposed.
        sets_trials: How many trials it takes follows from its other settings, whatever a person says.
        reviews_later: The review gate is in the middle of its search, where `propose` raises ReviewWanted.
        reflects: It shows a proposer what the metric says about single calls.
    """

    name: ClassVar[str]
    searches: ClassVar[tuple[str, ...]] = (INSTRUCTION, DEMOS)
    may_search: ClassVar[tuple[str, ...]] = ()
    takes: ClassVar[tuple[str, ...] | None] = None
    drops: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, Any]] = {}
    under_small_cap: ClassVar[Mapping[str, Any]] = {}
    fixed: ClassVar[Mapping[str, Any]] = {}
    under_preset: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    reviewed: ClassVar[str] = ""
    exhausted: ClassVar[str] = "Every candidate is evaluated: nothing is left to try."
    evaluates: ClassVar[bool] = True
    sets_trials: ClassVar[bool] = False
    reviews_later: ClassVar[bool] = False
    reflects: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        listed = OPTIMIZERS.get(cls.__dict__.get("name", ""))
        if listed is not None:
            cls.searches, cls.may_search = listed.searches, listed.may_search

    @property
    def in_full(self) -> bool:
        """Whether its trials are full evaluations, unless a person says otherwise."""
        settings = {**self.defaults.get("search", {}), **self.fixed.get("search", {})}
        return bool(settings.get("schedule") == "full")

    @classmethod
    def searched(cls, config: RunConfig) -> tuple[str, ...]:
        """Kinds of arms that the candidates of a run differ in."""
        return (*cls.searches, *(kind for kind in cls.may_search if kind in config.search.kinds))

    @classmethod
    def accepts(cls, config: RunConfig) -> tuple[str, ...]:
        """Kinds of arms that a person may add to."""
        return cls.searched(config) if cls.takes is None else cls.takes

    def check(self, config: RunConfig, free: Sequence[PredictorInfo]) -> None:
        """Look at the settings, and at the predictors that are not frozen.

        Raises:
            BadInput: this optimizer cannot work with them; one sentence says why.
        """
        search = config.search
        if self.searches == (DEMOS,) and not (search.max_bootstrapped or search.max_labeled):
            raise BadInput(
                f"{self.name} searches demo sets, and the settings allow no demos at all.",
                "Set max_bootstrapped or max_labeled to 1 or more.",
            )

    @abstractmethod
    def work(self, config: RunConfig, n_free: int) -> Work:
        """What it will ask for with these settings and `n_free` predictors that are not frozen."""

    @abstractmethod
    async def initialize(self, context: RunContext) -> None:
        """Bootstrap demo sets and write the first instructions."""

    async def prepare(self, context: RunContext, view: View) -> None:
        """Begin what goes on beside the trials, and take up what was begun. Called before every new trial with what
        its suggestion may know; a resumed run calls it again for the trials that it has."""
        return

    @abstractmethod
    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        """The next candidate; None when there is nothing left to try. It depends on the arms and `view` alone."""

    def tunes(self, config: RunConfig) -> bool:
        """Whether it tunes the task model's weights."""
        return False

    def reached(self, context: RunContext) -> list[tuple[str, Candidate]]:
        """What every step ended with that is through, with its name. All of them are scored on the sealed test, to be
        looked at and not chosen from."""
        return []

    def final(self, context: RunContext) -> Candidate | None:
        """What the run returns, where it is not the best full evaluation."""
        return None

    def importance(self, context: RunContext, scores: Mapping[str, Mapping[str, float]]) -> list[Json]:
        """Which searched parameter `scores` depend on; see `optimizer_core.analysis.importance.importance`."""
        return [*importance(scores, context.space, context.config.seed)]
