"""What Schemathesis has to be told: how our media types are written, and that there is a model."""

import json
from typing import Any

import schemathesis
from schemathesis import GenerationMode

MODEL = "fake"  # that of tests/serve_fake.py

# One JSON value, written without line ends, is also one JSON line.
schemathesis.serializer.alias(
    ["application/x-amz-json-1.1", "application/x-ndjson"], "application/json"
)


@schemathesis.deserializer("application/x-amz-json-1.1")
def read_json(_: schemathesis.DeserializationContext, response: schemathesis.Response) -> Any:
    """Read what Comprehend's page answers."""
    return json.loads(response.content)


@schemathesis.hook
def map_path_parameters(_: schemathesis.HookContext, path_parameters: Any) -> Any:
    """Ask for the model that is served every other time; names out of thin air are never it."""
    if not path_parameters:
        return path_parameters
    return {
        name: MODEL if isinstance(value, str) and len(value) % 2 else value
        for name, value in path_parameters.items()
    }


@schemathesis.hook
def filter_case(_: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Leave out broken lines: a stream is answered with 200 and tells of them line by line."""
    is_stream = case.media_type == "application/x-ndjson"
    return not (is_stream and case.meta.generation.mode is GenerationMode.NEGATIVE)
