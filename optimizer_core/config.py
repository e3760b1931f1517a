"""What a person asks for: the settings of one run, validated, as JSON in the store.

The settings are requests. What took effect is in the run's receipt (`optimizer_core.checks.receipt`).
"""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from mipro_studio.optimizer_core.catalogue import LabelsName, ScheduleName, SurrogateName
from mipro_studio.optimizer_core.data_spec import DataSpec
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetune_spec import FinetuneSettings
from mipro_studio.optimizer_core.model_spec import ModelSpec, Positive, Settings
from mipro_studio.optimizer_core.objective_spec import SCORE, read_objective
from mipro_studio.optimizer_core.roles import EMBEDDED, JUDGE, OF_PROGRAM
from mipro_studio.optimizer_core.tips import TIPS, Tip
from mipro_studio.optimizer_core.types import Role

__all__ = [
    "EMBEDDED",
    "JUDGE",
    "NO_CODE",
    "OF_PROGRAM",
    "TIPS",
    "Budget",
    "DataSpec",
    "FinetuneSettings",
    "JudgeSpec",
    "LabSettings",
    "ModelSpec",
    "ProposerSettings",
    "RunConfig",
    "SearchSettings",
    "Variant",
    "parse_config",
]

NO_CODE = ("predict:", "chain_of_thought:")
"""How a program without code begins: the kind of predictor, then its signature, then (on further lines) its
instruction. `optimizer_core.programs.signature_program` builds it."""

SHORTEST_ROW_LIMIT_S = 600.0
"""A row that takes longer hangs; unless a call to its model may take longer still."""

Count = Annotated[int, Field(ge=0)]

ObjectiveText = Annotated[str, AfterValidator(lambda text: read_objective(text).text)]
"""A setting that holds an objective, in one way of writing it."""


class ProposerSettings(Settings):
    """The meta-proposer's switches (MIPRO section 3.1 and appendix C).

    Attributes:
        dataset_summary: Show the proposer a summary that the prompt model writes from batches of rows.
        program_summary: Show it the program's source, what it does, and what the module does.
        demos: Show it bootstrapped demos (three, of the demo set the proposal belongs to).
        history: Show it earlier instructions with scores (only where an optimizer proposes in rounds).
        tips: Tips to draw from, one a proposal; empty = no tip.
        temperature: Of the prompt model when it writes instructions.
        vary_temperature: MIPRO++ searches it in place of keeping to `temperature`; None: unless a person said one.
        view_data_batch_size: Rows in one batch of the dataset summary.
        hint: A person's own words, shown to the proposer with every request.
    """

    dataset_summary: bool = True
    program_summary: bool = True
    demos: bool = True
    history: bool = False
    tips: tuple[Tip, ...] = (
        "none",
        "creative",
        "simple",
        "description",
        "high_stakes",
        "persona",
    )
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    vary_temperature: bool | None = None
    view_data_batch_size: Positive = 10
    hint: str = ""


class SearchSettings(Settings):
    """How candidates are built and searched.

    Attributes:
        candidates: Instructions and demo sets a predictor (the seed and the empty set are the first of them).
        instructions: Instructions a predictor, the seed's included; None = as many as `candidates`.
        surrogate: Model of the score over candidates.
        schedule: Which cells to ask for: full evaluations only; minibatches and now and then a full evaluation; or
            racing, where candidates get more cells as long as they may win.
        trials: Suggestions of the surrogate. Racing's are many and small: 100 of them cost about as many program
            runs as 30 minibatches.
        minibatch_size: Validation examples a trial asks for.
        full_eval_every: Trials between two full evaluations of the best mean so far.
        max_bootstrapped: Most bootstrapped demos in a set.
        max_labeled: Most demos in a set, labelled ones included.
        labels: How labelled rows become demos. random: DSPy's way, one set of labels alone, rows as they are drawn.
            spread: the answers in a set differ as far as the rows allow; and where the rows label all that the
            predictors put out, so that a trace has nothing to add, every other set is of labels alone.
        threshold: Least score of a trace that may become a demo (the paper's lambda). DSPy accepts any
            truthy score, which lets nonsense in when scores are fractional.
        lag: Trials under way at once. A suggestion knows the results of all trials but the latest `lag - 1`;
            that is what lets trials overlap, and being fixed it makes a run the same whatever the number of
            threads and whichever answer comes first. 1 = one trial at a time. Six small trials keep 16 threads
            busy (`benchmarks/utilization`).
        freeze: Predictors left as they are.
        step: Cells of a candidate's first racing trial.
        finalists: Candidates beside the baseline that a race evaluates in full, if so many may win.
        made: Arms of each kind that `studio` makes for a predictor during the search, at most; 0 = none.
        least_headroom: The run ends early where the probability that there is anything to gain, which is said after a
            tenth of the trials, is below this; 0 = it never does.
        breadth, depth: Instructions tried for one predictor, and times round all of them, in coordinate ascent.
        kinds: Further kinds of arms to search beside the optimizer's own, where it can and the program has them:
            `tools`, what agents are told of their tools and of the tools' arguments.
    """

    candidates: Positive = 10
    instructions: Positive | None = None
    surrogate: SurrogateName = "item_response"
    schedule: ScheduleName = "racing"
    trials: Count = Field(default_factory=lambda said: 100 if said.get("schedule") == "racing" else 30)
    minibatch_size: Positive = 35
    full_eval_every: Positive = 5
    max_bootstrapped: Count = 4
    max_labeled: Count = 4
    labels: LabelsName = "spread"
    threshold: float = 1.0
    lag: Positive = 6
    freeze: tuple[str, ...] = ()
    step: Positive = 6
    finalists: Positive = 3
    breadth: Positive = 5
    depth: Positive = 2
    made: Count = 6
    kinds: tuple[Literal["tools"], ...] = ()
    least_headroom: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0


class JudgeSpec(Settings):
    """A metric that is a model: it is asked about one criterion a call, and the score is the share it says yes to.

    Attributes:
        criteria: Statements that a good answer meets, each judged yes or no.
        model: None = the prompt model, or the task model where there is none.
    """

    criteria: tuple[str, ...] = ()
    model: ModelSpec | None = None


class Variant(Settings):
    """One setting of the proposer's switches in a lab session; see `ProposerSettings`."""

    name: str
    dataset_summary: bool = True
    program_summary: bool = True
    demos: bool = True
    tip: Tip = "none"
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0


class LabSettings(Settings):
    """What the optimizer `lab` writes: `samples` instructions for every predictor under every variant.

    A variant can only show what `ProposerSettings` has switched on.

    Attributes:
        variants: Settings of the switches, as JSON.
        samples: Instructions a predictor and variant.
    """

    variants: tuple[Variant, ...] = ()
    samples: Positive = 2


class Budget(Settings):
    """Caps; None = no cap. They cover bootstrapping, proposing and search; the sealed test is apart.

    Attributes:
        max_program_runs, max_lm_calls, max_tokens: Of all roles together, input and output tokens alike.
        max_usd: Dollars, where prices are known.
        max_minutes: Over all lives of the run.
    """

    max_program_runs: Positive | None = None
    max_lm_calls: Positive | None = None
    max_tokens: Positive | None = None
    max_usd: Annotated[float, Field(gt=0)] | None = None
    max_minutes: Annotated[float, Field(gt=0)] | None = None


class RunConfig(Settings):
    """All settings of a run.

    Attributes:
        program: `sample:NAME`, `path.py[:attr]`, `package.module:attr`, or without code `predict:SIGNATURE` and
            `chain_of_thought:SIGNATURE`, the instruction on the lines below.
        name: What to call the run; empty = as the program is called.
        optimizer: One of `optimizer_core.optimizers`; unless it is said, the studio's own, and MIPRO with the presets
            of the paper and of DSPy, which are MIPRO's.
        seed: Of everything that is drawn; 0 is a seed.
        preset: A budget by name; it fills in what a person left open (`optimizer_core.runs.presets`).
        metric: A built-in metric's name, `judge`, `path.py:function`, or None for the program's own.
        judge: What the metric `judge` looks for.
        objective: What the search maximizes of a program run: `score`, or with prices and limits on what it takes,
            such as `score - 0.1*seconds - usd, prompt_tokens <= 300`.
        lab: What the optimizer `lab` compares.
        finetune: How weights are tuned, where the optimizer tunes any.
        prompt_model, teacher: None = the task model.
        models: Predictor -> the model that it works with, instead of the one the program set for it or the task
            model. A predictor with a model of the program's keeps it unless it is named here.
        adapter: How prompts are written; auto = as the program configures it, else DSPy's ChatAdapter (the embedded
            model has one of its own). two_step reads replies with the model that wrote them.
        threads: Program runs and prompt-model calls under way at once.
        pace: How many calls an endpoint is given: what is `found` out that it takes, up to `threads` at once
            (docs/performance.md); or always as many as there are `threads`.
        executor: Where program runs happen: in threads of the run's process, in processes that share `threads`, or in
            such processes on the nodes of a Ray cluster; auto = threads, unless the check measured that one process
            could not keep up.
        processes: How many; None = one for each processor (of the cluster).
        row_timeout_s: Seconds that a program run and its metric may take on one row, after which it is given up;
            None = ten minutes, or as long as one LM call with all its attempts where that is more.
        row_memory_mb: Megabytes that a process for program runs may take beyond what it takes when it is ready, and
            each child of the program in all; a row that takes more is that row's error. Processes only (Linux).
        retries: Further attempts of one LM call that failed for a reason that passes.
        retry_budget: The run pauses when a worker has made so many further attempts in all.
        pause_after: The run pauses after this many LM calls in a row that failed for such a reason.
        review: Stop after proposing, until a person says go.
        rehearse: Run the program on a training row or two before all else; set by an inspection that could not do so.
        start_anyway: A person wants to start although the rehearsal showed a problem.
        despite_errors: Go on although (nearly) every program run fails; what failed stays so, and is not asked again.
        ablate: The run is completed, and what is wanted of it is its winner without each of its parts.
        start_from: A saved program (DSPy's JSON, as `export` writes it) whose instructions and demos it begins with.
        start_state: What that file held; filled in by the inspection.
        carry_from: What an earlier run of the same program learned, whatever its model: a file that `learned` wrote,
            or on the command line a run. Its best arms are this run's, beside the seed's, and their worth there is
            what is expected of them here.
        carried: What that was; filled in before the run.
        base: Folder that relative paths and packages are looked up in; filled in by the inspection.
    """

    program: str
    metric: str | None = None
    name: str = ""
    preset: str = "studio"
    optimizer: str = Field(default_factory=lambda said: "studio" if said.get("preset") == "studio" else "mipro")
    seed: int = 0
    data: DataSpec = DataSpec()
    task_model: ModelSpec = ModelSpec()
    prompt_model: ModelSpec | None = None
    teacher: ModelSpec | None = None
    models: dict[str, ModelSpec] = Field(default_factory=dict)
    adapter: Literal["auto", "chat", "json", "xml", "two_step", "baml"] = "auto"
    judge: JudgeSpec = JudgeSpec()
    objective: ObjectiveText = SCORE
    lab: LabSettings = LabSettings()
    proposer: ProposerSettings = ProposerSettings()
    search: SearchSettings = SearchSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    budget: Budget = Budget()
    threads: Annotated[int, Field(ge=1, le=512)] = 8
    pace: Literal["threads", "found"] = "found"
    executor: Literal["auto", "threads", "processes", "ray"] = "auto"
    processes: Annotated[int, Field(ge=1, le=64)] | None = None
    row_timeout_s: Annotated[float, Field(gt=0)] | None = None
    row_memory_mb: Annotated[int, Field(ge=16)] | None = None
    retries: Count = 4
    retry_budget: Positive = 1000
    pause_after: Positive = 10
    review: bool = False
    rehearse: bool = False
    start_anyway: bool = False
    despite_errors: bool = False
    ablate: bool = False
    base: str = ""
    start_from: str | None = None
    start_state: str = ""
    carry_from: str | None = None
    carried: str = ""

    @model_validator(mode="after")
    def _memory_needs_processes(self) -> Self:
        if self.row_memory_mb is not None and self.executor == "threads":
            raise ValueError("threads share the memory of the run's own process: with row_memory_mb say processes")
        return self

    def model_for(self, role: Role) -> ModelSpec:
        """The model that works in `role`: its own; else for the judge the prompt model; else the task model."""
        asked = (Role.JUDGE, Role.PROMPT) if role in (Role.JUDGE, Role.JUDGE_TEST) else (role,)
        return next((spec for one in asked if (spec := self._own_model(one)) is not None), self.task_model)

    def _own_model(self, role: Role) -> ModelSpec | None:
        found: Any = self if role.place else None
        for name in role.place:
            found = getattr(found, name)
        return found  # type: ignore[no-any-return]

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that are filled in this run, the sealed test's apart."""
        return tuple(role for role in Role if role.place and (role is not Role.JUDGE or self.metric == JUDGE))

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where relative paths in rows are looked up: the folder of the run, then those of its data files."""
        files = [Path(name) for name in (self.data.data, self.data.train, self.data.val, self.data.test) if name]
        return tuple(dict.fromkeys([Path(self.base or "."), *(file.parent for file in files)]))

    @property
    def row_limit_s(self) -> float:
        """Seconds after which a program run on one row is given up."""
        slowest = max(spec.timeout_s for spec in self.specs)
        return self.row_timeout_s or max(SHORTEST_ROW_LIMIT_S, slowest * (self.retries + 1))

    @property
    def specs(self) -> tuple[ModelSpec, ...]:
        """The models that the settings name: of every role, and of predictors."""
        return (*(self.model_for(role) for role in self.roles), *self.models.values())


def parse_config(values: dict[str, object]) -> RunConfig:
    """Validate `values`.

    Raises:
        BadInput: names the first wrong setting, its value and what is allowed.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{where} = {first['input']!r} is not allowed: {first['msg']}.") from error
