"""A memory of taught examples that tags without retraining.

Reading order: `examples` (what is taught), `log` and `store` (where it is kept), `conll` (import
and export), `vectors` and `forms` (who is near), `electorate` (who of them votes), `votes` (how
votes change emissions), `crf` (how a label that the model lacks gets into it), `memory` (all
together).
"""

from ner_service.memory.examples import Example, Taught, make_example
from ner_service.memory.forms import CachedWords
from ner_service.memory.memory import Memory
from ner_service.memory.recalled import Recalled
from ner_service.memory.seen import seen_by
from ner_service.memory.store import ExampleStore

__all__ = [
    "CachedWords",
    "Example",
    "ExampleStore",
    "Memory",
    "Recalled",
    "Taught",
    "make_example",
    "seen_by",
]
