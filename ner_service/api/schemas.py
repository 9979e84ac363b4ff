"""The JSON of `/v1`: requests are validated by these classes, answers documented by them."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag

from ner_service.text.offsets import OffsetUnit

Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


def _threshold_form(value: object) -> str:
    return "by_label" if isinstance(value, dict) else "number"


# With a discriminator only one branch reports its errors. `parsing` strips these tags from paths.
UNION_TAGS = frozenset({"number", "by_label"})
Threshold = Annotated[
    Annotated[Probability, Tag("number")] | Annotated[dict[str, Probability], Tag("by_label")],
    Discriminator(_threshold_form),
]


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


class ModelsAnswer(BaseModel):
    """Every model that is served."""

    models: list[ModelDetails]


class EntityOut(BaseModel):
    """A named thing in the text."""

    text: str
    label: str
    start: int
    end: int
    score: float = Field(description="Exact probability of this span with this label.")


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
