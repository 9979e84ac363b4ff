"""Names out of a text and back in: replace, mask, hash, or placeholders that can be restored.

Reading order: `naming` (what stands in a name's place), `redacting`, `restoring`, `sealing` (a
mapping that only a key opens), `command` (the command line).
"""

from ner_service.redaction.naming import RedactionMode
from ner_service.redaction.redacting import Redacted, Redaction, redact
from ner_service.redaction.restoring import Restored, restore
from ner_service.redaction.sealing import seal, unseal

__all__ = [
    "Redacted",
    "Redaction",
    "RedactionMode",
    "Restored",
    "redact",
    "restore",
    "seal",
    "unseal",
]
