"""Rules beside the model: gazetteers, regular expressions, token patterns, allow and deny lists.

Reading order: `shapes` (what rules look like in files and requests), `matches`, then one module a
kind: `gazetteer`, `expressions`, `attributes` and `token_patterns`, `lists`; `rule_set` puts them
together and meets the model's entities; `files` reads them from disk.
"""

from ner_service.rules.files import load_rules
from ner_service.rules.rule_set import RuleSet, compile_rules
from ner_service.rules.shapes import REQUEST_LIMITS, Limits, Rules

__all__ = ["REQUEST_LIMITS", "Limits", "RuleSet", "Rules", "compile_rules", "load_rules"]
