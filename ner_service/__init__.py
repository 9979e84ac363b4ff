"""Named entity recognition: names out of text.

Reading order: `text` and `tags`, then `artifact` (a model on disk), `network` (torch) and
`inference` (words to spans), then `tagger`, which is the whole way on one screen; `rules` and
`memory` steer it. `redaction` and `teaching` build on it; `api`, `batch` and `cli` are its faces.
"""

from ner_service.entities import Entity
from ner_service.errors import NerError
from ner_service.tagger import Document, ModelInfo, Tagger

__all__ = ["Document", "Entity", "ModelInfo", "NerError", "Tagger"]
