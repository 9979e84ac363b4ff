"""Text to tokens to sentences to windows, offsets intact.

Read `tokenizer` first (str to `Tokens`; its word lists are in `abbreviations`), then `sentences`
(where they begin; newlines are judged in `lines`), then `windows` (the `Layout` that the network
reads), then `offsets` (code points to UTF-16 units and bytes).
"""

from ner_service.text.offsets import OffsetUnit, convert_offsets, reject_lone_surrogates
from ner_service.text.sentences import sentence_starts
from ner_service.text.tokenizer import Token, Tokens, tokenize
from ner_service.text.windows import Layout, Window, lay_out

__all__ = [
    "Layout",
    "OffsetUnit",
    "Token",
    "Tokens",
    "Window",
    "convert_offsets",
    "lay_out",
    "reject_lone_surrogates",
    "sentence_starts",
    "tokenize",
]
