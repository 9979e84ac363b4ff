"""Compiling regular expressions with RE2, within limits.

RE2 (Cox 2010, "Regular Expression Matching in the Wild") searches in time linear in the text; the
factor is the size of the compiled expression, so that is what is limited.
"""

from typing import Any

from ner_service.errors import RuleError
from ner_service.rules.shapes import Limits

_MEMORY = 8 * 2**20


class RegexCompiler:
    """Compiles the expressions of one set of rules."""

    def __init__(self, limits: Limits) -> None:
        """Start with all the room that the limits leave."""
        self._limits = limits
        self._expressions = limits.regexes
        self._program = limits.program

    def compile(self, regex: str, *, field: str, case_sensitive: bool = True) -> Any:
        """Compile an expression.

        Raises:
            RuleError: RE2 is not installed, it refuses the expression, or a limit is reached.
        """
        try:
            import re2
        except ImportError:
            raise RuleError(field, "expected google-re2, install ner-service[rules]") from None
        options = re2.Options()
        options.max_mem = _MEMORY
        options.log_errors = False
        options.never_capture = True  # groups would cost a search more than all the rest
        options.case_sensitive = case_sensitive
        try:
            compiled = re2.compile(regex, options)
        except re2.error as error:
            reason = error.args[0].decode("utf-8", "replace") if error.args else "broken"
            # Behind the colon it repeats the expression.
            raise RuleError(field, f"RE2 refuses it: {reason.partition(':')[0]}") from None
        except UnicodeEncodeError:
            raise RuleError(field, "contains a lone surrogate, which no text can") from None
        finally:
            re2.purge()  # the library would keep the expressions of past requests
        self._expressions -= 1
        self._program -= compiled.programsize
        if self._expressions < 0:
            raise RuleError(field, f"expected at most {self._limits.regexes} expressions together")
        if self._program < 0:
            raise RuleError(
                field, f"expected expressions of at most {self._limits.program} RE2 instructions"
            )
        return compiled
