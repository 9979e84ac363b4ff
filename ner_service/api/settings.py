"""Settings of the service: each field is an environment variable with the prefix NER_."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Names = Annotated[tuple[str, ...], NoDecode]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]

MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """Everything an operator can set. `NER_PORT=9000` sets `port`."""

    model_config = SettingsConfigDict(env_prefix="NER_", frozen=True, extra="forbid")

    # Where to listen. Loopback unless told otherwise, since the service is open without keys.
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000

    # Models by name or path, separated by commas; the first answers requests that name none.
    model: Names = ("conll2003",)
    backend: Literal["auto", "onnx", "torch"] = "auto"
    precision: Literal["full", "int8"] = "full"
    threads: Count | None = None

    # Files of rules that meet every document, separated by commas, in this order.
    rules: Names = ()

    # Folder of taught examples and of feedback; without one there is no memory.
    memory: Path | None = None
    max_memory_tokens: Count = 200_000

    # Limits of one request.
    max_text_length: Count = 1_000_000
    max_documents: Count = 1_000
    max_body_bytes: Count = 16 * MEBIBYTE
    deadline_seconds: Seconds = 60.0
    body_timeout_seconds: Seconds = 20.0

    # Limits of everything that is admitted and unfinished, and of bodies held in memory.
    max_queue_documents: Count = 4_096
    max_queue_tokens: Count = 400_000
    max_buffered_bytes: Count = 256 * MEBIBYTE

    # One batch of the network; a request may put at most a turn's worth into it before others.
    batch_documents: Count = 256
    batch_tokens: Count = 768
    turn_tokens: Count = 1_024

    # One stream of JSON lines: lines in work at once, and how long a producer may be silent.
    stream_window: Count = 64
    stream_idle_seconds: Seconds = 300.0

    # Connections.
    header_timeout_seconds: Seconds = 10.0
    write_timeout_seconds: Seconds = 30.0
    keep_alive_seconds: Count = 75

    # Stopping: readiness fails for the drain, then the socket closes and the rest has the grace.
    drain_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0
    grace_seconds: Count = 30

    # Keys, separated by commas or one a line of a file; none set means open.
    api_keys: SecretStr = SecretStr("")
    api_keys_file: Path | None = None
    admin_keys: SecretStr = SecretStr("")
    admin_keys_file: Path | None = None
    cors_origins: Names = ()

    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("model", "rules", "cors_origins", mode="before")
    @classmethod
    def _split_at_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("model")
    @classmethod
    def _at_least_one_model(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("expected the name or path of at least one model")
        return value
