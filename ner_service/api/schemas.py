"""The JSON of `/v1`: requests are validated by these classes, answers documented by them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag

from ner_service.entities import Source
from ner_service.inference.analysis import LEAST_PROBABILITY, MOST_LABELLINGS
from ner_service.rules import Rules
from ner_service.rules.shapes import PHRASE, TOKENS, Prefer
from ner_service.text.offsets import OffsetUnit

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _threshold_form(value: object) -> str:
    return "by_label" if isinstance(value, dict) else "number"


# With a discriminator only one branch reports its errors. `parsing` strips these tags from paths.
OPEN, SEALED = "in_the_open", "sealed"
UNION_TAGS = frozenset({"number", "by_label", PHRASE, TOKENS, OPEN, SEALED})
Threshold = Annotated[
    Annotated[Probability, Tag("number")] | Annotated[dict[str, Probability], Tag("by_label")],
    Discriminator(_threshold_form),
]


def _mapping_form(value: object) -> str:
    return SEALED if isinstance(value, str) else OPEN


Mapped = Annotated[
    Annotated[dict[str, str], Tag(OPEN)] | Annotated[str, Tag(SEALED)],
    Discriminator(_mapping_form),
]
"""Names by placeholder, or what a key made of them."""


class Strict(BaseModel):
    """Base of what comes in: no conversions, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Options(Strict):
    """How to tag and what to answer."""

    model: str | None = Field(None, description="A name of GET /v1/models; default the first.")
    labels: list[str] | None = Field(None, description="Answer with these labels only.")
    threshold: Threshold = Field(
        0.0, description="Leave out entities whose score is lower; a number, or one by label."
    )
    offset_unit: OffsetUnit = Field("codepoint", description="What `start` and `end` count.")
    include: list[Literal["tokens"]] = Field(
        default_factory=list, description="`tokens` adds every token with its tag and encoding."
    )
    nbest: int = Field(
        0, ge=0, le=MOST_LABELLINGS, description="Add so many of the best labellings."
    )
    candidates: float | None = Field(
        None,
        ge=LEAST_PROBABILITY,
        le=1,
        allow_inf_nan=False,
        description="Add spans that were not chosen whose probability is at least this.",
    )
    explain: bool = Field(False, description="Add the marginals of an entity's tokens and more.")
    rules: Rules | None = Field(None, description="Rules that meet what was found.")


class DocumentIn(Strict):
    """One document of a request: a text, or its tokens."""

    id: str | None = Field(None, description="Given back with the answer.")
    text: str | None = None
    # Their length is checked in `parsing`: here a lone surrogate would fail with it, for all
    # documents instead of for this one.
    tokens: list[Annotated[str, Field(json_schema_extra={"minLength": 1})]] | None = Field(
        None, description="Offsets then point into the tokens joined by single spaces."
    )


class EntitiesRequest(Options):
    """Either one `text` or `documents`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "Bob bought a toy Yoda"}]},
    )

    text: str | None = None
    documents: list[DocumentIn] | None = None


class StreamLine(DocumentIn, Options):
    """One line of a stream: a document with its options."""


class ModelOut(BaseModel):
    """The model that answered."""

    name: str
    version: str
    scheme: str


class ModelDetails(ModelOut):
    """A model that can be asked for."""

    labels: list[str]
    tags: list[str] = Field(description="In id order; 0 is always O.")
    default: bool


class RuleSetOut(BaseModel):
    """One file of rules."""

    name: str
    labels: list[str] = Field(description="What its rules find.")
    prefer: Prefer


class RulesAnswer(BaseModel):
    """The rules that meet every document, in their order."""

    rules: list[RuleSetOut]


class ModelsAnswer(BaseModel):
    """Every model that is served."""

    models: list[ModelDetails]


class NeighbourOut(BaseModel):
    """A taught token that is near."""

    example: str = Field(description="The id of its example.")
    token: int = Field(description="Its place among the example's tokens.")
    text: str
    tag: str
    similarity: float = Field(description="Cosine of the hidden states.")
    weight: float = Field(description="Of its vote; 1 counts as much as a model that is sure.")


class TokenEvidence(BaseModel):
    """What the model held of one token."""

    text: str
    start: int
    end: int
    marginals: dict[str, float] = Field(description="Probability by tag, likeliest first.")
    neighbours: list[NeighbourOut] | None = Field(None, description="In memory, if there is one.")


class ExplanationOut(BaseModel):
    """What the model held of one entity."""

    tokens: list[TokenEvidence]
    runners_up: dict[str, float] = Field(
        description="Other labels of the same span and their exact probabilities."
    )


class SpanOut(BaseModel):
    """A named thing in the text."""

    text: str
    label: str
    start: int
    end: int
    score: float = Field(
        description="From the model, the exact probability of this span with this label; from a "
        "rule, what the rule says."
    )
    source: Source = Field(description="Who found it.")
    rule: str | None = Field(None, description="The id of the rule that found it, if it has one.")


class EntityOut(SpanOut):
    """An entity, or with `candidates` what might have been one."""

    chosen: bool | None = Field(None, description="Only with `candidates`.")
    explanation: ExplanationOut | None = Field(None, description="Only with `explain`.")


class LabellingOut(BaseModel):
    """One way in which the model could label the whole document."""

    probability: float = Field(description="Of exactly this labelling; 0 where it is too small.")
    log_probability: float = Field(description="Natural logarithm.")
    entities: list[SpanOut] = Field(description="All of them: labels and threshold do not apply.")


class TokenOut(BaseModel):
    """A token with its tag and numeric encoding."""

    text: str
    start: int
    end: int
    tag: str
    tag_id: int
    one_hot: list[int]
    word_id: int = Field(description="Position of the 1 in the word's one-hot input.")


class DocumentOut(BaseModel):
    """The answer for one document."""

    index: int
    id: str | None
    entities: list[EntityOut]
    tokens: list[TokenOut] | None = Field(None, description="Only if asked for by `include`.")
    nbest: list[LabellingOut] | None = Field(None, description="Only if asked for.")


class ItemError(BaseModel):
    """A document that could not be tagged; the others are not affected."""

    index: int
    id: str | None
    code: str
    message: str


class EntitiesAnswer(BaseModel):
    """The answer of `POST /v1/entities`."""

    model: ModelOut
    documents: list[DocumentOut]
    errors: list[ItemError]


class SpacyEntity(BaseModel):
    """A named thing in the text, in spaCy's words."""

    start: int
    end: int
    label: str


class SpacyToken(BaseModel):
    """A token of a spaCy Doc."""

    id: int
    start: int
    end: int


class SpacyDocument(BaseModel):
    """A document in one of spaCy's forms."""

    text: str
    ents: list[SpacyEntity]
    tokens: list[SpacyToken] | None = Field(None, description="With `format=spacy`.")
    title: None = Field(None, description="With `format=displacy`.")


class FormattedAnswer(RootModel[EntitiesAnswer | SpacyDocument | list[SpacyDocument]]):
    """The answer of `POST /v1/entities` in the form that `format` asks for."""


class FieldProblem(BaseModel):
    """A field at fault."""

    field: str
    message: str


class ProblemOut(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] | None = None


class Health(BaseModel):
    """A probe's answer."""

    status: Literal["ok"]
