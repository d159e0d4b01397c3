"""The entries of a manifest: one frozen, validated class for each thing that a manifest lists."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from trimtab.store import TABLE_SOURCES
from trimtab.store._file_names import safe_name
from trimtab.store.table_schemas import MAX_LAYERS, WHOLE

T = TypeVar("T")

Name = Annotated[str, StringConstraints(min_length=1)]
Count = Annotated[int, Field(ge=0, le=10**18)]
Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]
Entries = Annotated[tuple[T, ...], Field(strict=False)]
"""A JSON list. Not strict, so that a list is accepted for a tuple; its items are strict."""
Curve = Annotated[tuple[float | None, ...], Field(strict=False, max_length=MAX_LAYERS)]
"""A number for each layer."""


def _require_known_table(name: str) -> str:
    table = name.partition("--")[0]
    if table not in WHOLE:
        for register_all in TABLE_SOURCES:
            register_all()
    if table not in WHOLE:
        raise ValueError(f"{table} names no registered table; install the package whose measure made it")
    return name


TablePath = Annotated[
    str,
    # It becomes a path: one folder, and a name that leads nowhere else.
    StringConstraints(pattern=r"^[a-z_]+/[a-z_]+--[A-Za-z0-9._-]+$"),
    AfterValidator(_require_known_table),
]


class Entry(BaseModel):
    """Base of all entries. Keys that are not declared are preserved and have no effect."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")


class Facts(Entry):
    """The architecture of a model."""

    architecture: str | None = None
    layers: Count | None = None
    width: Count | None = None
    heads: Count | None = None
    kv_heads: Count | None = None
    head_size: Count | None = None
    gqa_ratio: Annotated[float, Field(ge=0, le=1e6)] | None = None
    parameters: Count | None = None
    active_parameters: Count | None = None
    context: Count | None = None
    tied_embeddings: bool | None = None
    moe: bool | None = None


class ModelEntry(Entry):
    """A model of the run."""

    name: Name
    id: str = ""
    dtype: str = ""
    device: str = ""
    engine: str = ""
    fingerprint: str = ""
    template_hash: str | None = None
    """None where it is unknown, as in imported results."""
    facts: Facts = Facts()
    groups: dict[str, str] = {}


class BehaviorEntry(Entry):
    """A behavior, and how its pairs were split."""

    name: Name
    description: str = ""
    pairs_hash: str = ""
    left_out: Count = 0
    """Lines of the pairs file that were skipped."""
    is_choice: bool = False
    shape: Literal["completions", "prompts", "sets"] = "completions"
    """What the examples are: pairs of completions, or pairs of prompts or two lists, which cannot be scored."""
    n_train: Count | None = None
    n_select: Count = 0
    n_test: Count = 0
    scoring: str = ""
    """Empty where nothing can be scored."""
    balance: str = ""

    @property
    def is_scored(self) -> bool:
        """Whether it has pairs of completions."""
        return self.shape == "completions"


class LetterEntry(Entry):
    """The answer letters' part in a vector."""

    cosine: Curve
    share: Curve


class VectorEntry(Entry):
    """The vectors of one model and behavior."""

    model: Name
    behavior: Name
    taken_from: str = ""
    """Behavior that the vectors were extracted for."""
    method: str = ""
    token_position: str = ""
    form: str = ""
    pairs: Count | None = None
    letter: LetterEntry | None = None
    norm: Curve = ()
    residual_norm: Curve = ()
    sink_ratio: Curve = ()
    made_elsewhere: str = ""
    """What made vectors that trimtab did not extract; empty for its own."""
    layer_map: str = ""
    """How the layers of their file became those of trimtab."""

    @model_validator(mode="after")
    def _require_same_length(self) -> VectorEntry:
        if len(self.norm) != len(self.residual_norm):
            raise ValueError(f"norm has {len(self.norm)} layers, residual_norm {len(self.residual_norm)}")
        return self


class JudgeEntry(Entry):
    """A judge of the replies of one model about one behavior."""

    model: Name
    behavior: Name
    name: Name
    kind: str = ""
    definition: str = ""
    """Fingerprint of everything that shapes its verdicts."""
    accuracy: Probability | None = None
    declined: str = ""
    """Why it does not judge; empty if it does."""


class JudgeDefinition(Entry):
    """The fingerprint of every judge that has ever judged in this run, so that no name comes to mean two judges."""

    model: Name
    behavior: Name
    name: Name
    definition: str


class AskedEntry(Entry):
    """The prompts that a model is asked to reply to, by id."""

    model: Name
    behavior: Name
    select: Entries[str]
    test: Entries[str]


class ConditionEntry(Entry):
    """How often the condition on the prompt under which a study steers held, for one model and behavior."""

    model: Name
    behavior: Name
    words: str
    """The condition: "only where the prompt scores above 0.5 for polite (…)"."""
    prompts: Count
    """Held-out prompts, each with its options in the order that they have."""
    opened: Count
    """Those at which it held; behind the others nothing is pushed."""

    @model_validator(mode="after")
    def _require_part(self) -> ConditionEntry:
        if self.opened > self.prompts:
            raise ValueError(f"opened is {self.opened}, of {self.prompts} prompts")
        return self


class BoundEntry(Entry):
    """The bounds of one model's layers for one behavior: percentiles of projections on the vector."""

    model: Name
    behavior: Name
    scale: Name
    """That pushes, such as `cap`."""
    side: str
    """Whose projections: positive, negative or both."""
    token_position: str
    """Where the texts were read."""
    positive: Count
    """Rows of projections of the positive side."""
    negative: Count
    layers: Entries[int]
    percentiles: Entries[float]
    strengths: Entries[Entries[float]]
    """Of each percentile the strength of each layer: α·‖v‖ is the bound."""

    @model_validator(mode="after")
    def _require_all(self) -> BoundEntry:
        if len(self.strengths) != len(self.percentiles) or {len(row) for row in self.strengths} > {len(self.layers)}:
            raise ValueError("strengths needs a row for each percentile, with a number for each layer")
        return self

    def strength_at(self, layer: int, percentile: float) -> float:
        """The strength of a layer."""
        return self.strengths[self.percentiles.index(percentile)][self.layers.index(layer)]


class CachedTableEntry(Entry):
    """A table that is computed once, and the digest of everything that its numbers depend on."""

    name: TablePath
    """File below the run folder, without its suffix."""
    model: Name
    behavior: Name
    digest: str

    @property
    def measure(self) -> str:
        """The folder of the table: the measure that it belongs to."""
        return self.name.partition("/")[0]

    @model_validator(mode="after")
    def _require_own_name(self) -> CachedTableEntry:
        if self.name.split("--")[1:3] != [safe_name(self.model), safe_name(self.behavior)]:
            raise ValueError(f"{self.name} is not a table of {self.model!r} and {self.behavior!r}")
        return self


class TimingEntry(Entry):
    """Wall time of one step, summed over all starts of the run."""

    step: Name
    """Such as `load`, `extract`, `sweep`."""
    model: str = ""
    behavior: str = ""
    seconds: Seconds

    @property
    def label(self) -> str:
        """The step with what it was done to, as `sweep cheerful, smollm2-135m`."""
        if self.behavior:
            return f"{self.step} {self.behavior}, {self.model}"
        return f"{self.step} {self.model}".rstrip()


class WarningEntry(Entry):
    """A warning, for the report."""

    text: str
    model: str = ""
    """Model that was being worked on; empty if none was."""


class WorkerEntry(Entry):
    """The process that works on one model."""

    host: str
    pid: Count


class Source(Entry):
    """A file that results were imported from."""

    file: str
    sha256: str
