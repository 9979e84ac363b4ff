"""What rules look like in a file or a request; what is said there twice or wrongly is refused."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Prefer = Literal["rules", "model", "longest"]
Label = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Id = Annotated[str, Field(min_length=1, max_length=256)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Finder(_Strict):
    label: Label = Field(description="Need not be one of the model's.")
    score: Score = Field(1.0, description="The score of what is found.")
    id: Id | None = Field(None, description="Given back as `rule` with what is found.")


class GazetteerIn(_Finder):
    """Names of one label, found where they stand as whole tokens."""

    names: list[str] = Field(default_factory=list)
    file: str | None = Field(
        None, description="One name a line, in UTF-8, beside the rules file; not in requests."
    )
    case_sensitive: bool = True


class RegexIn(_Finder):
    """A regular expression in RE2's syntax."""

    regex: Annotated[str, Field(min_length=1)]
    case_sensitive: bool = True


# With a discriminator only one branch of the union reports its errors.
PHRASE, TOKENS = "a_phrase", "some_tokens"


def _pattern_form(value: object) -> str:
    return PHRASE if isinstance(value, str) else TOKENS


class PatternIn(_Finder):
    """A phrase or a token pattern, as spaCy's EntityRuler writes them."""

    pattern: Annotated[
        Annotated[str, Field(min_length=1), Tag(PHRASE)]
        | Annotated[list[dict[str, Any]], Field(min_length=1), Tag(TOKENS)],
        Discriminator(_pattern_form),
    ]


class AllowIn(_Strict):
    """Of this label, only these texts are answered."""

    label: Label
    texts: list[str]
    case_sensitive: bool = True


class DenyIn(_Strict):
    """These texts are never answered, with this label or, if there is none, with any."""

    label: Label | None = None
    texts: list[str]
    case_sensitive: bool = True


class Rules(_Strict):
    """A set of rules."""

    prefer: Prefer = Field(
        "rules", description="Who is right where a rule and the model overlap without being equal."
    )
    gazetteers: list[GazetteerIn] = Field(default_factory=list)
    patterns: list[PatternIn] = Field(default_factory=list)
    regexes: list[RegexIn] = Field(default_factory=list)
    allow: list[AllowIn] = Field(default_factory=list)
    deny: list[DenyIn] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a set of rules may ask for.

    Attributes:
        names: in all gazetteers and phrases.
        texts: in all allow and deny lists.
        patterns: token patterns.
        regexes: regular expressions.
        program: size of all compiled expressions, in RE2's instructions; a search costs at most
            this times the length of the text.
        seconds: that they may take for all documents they are applied to, None for any time.
        files: whether files may be named.
    """

    names: int = 10_000_000
    texts: int = 10_000_000
    patterns: int = 100_000
    regexes: int = 10_000
    program: int = 10_000_000
    seconds: float | None = None
    files: bool = True


SERVER_LIMITS = Limits()
"""For rules of whoever runs the server."""
REQUEST_LIMITS = Limits(
    names=20_000,
    texts=20_000,
    patterns=500,
    regexes=32,
    program=4_000,
    seconds=5.0,
    files=False,
)
"""For rules that come with a request, from whoever may send one."""
