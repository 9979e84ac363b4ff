"""A compiled set of rules, and how it meets what was found before."""

from collections.abc import Sequence
from dataclasses import dataclass

from ner_service.entities import Entity
from ner_service.errors import RuleError
from ner_service.rules.expressions import Expression, Expressions
from ner_service.rules.gazetteer import Gazetteer, NameList
from ner_service.rules.lists import Lists
from ner_service.rules.matches import Rule, longest_first, without_overlap
from ner_service.rules.regexes import RegexCompiler
from ner_service.rules.shapes import SERVER_LIMITS, Limits, Prefer, Rules
from ner_service.rules.stopwatch import Stopwatch
from ner_service.rules.token_patterns import TokenPattern, TokenPatterns
from ner_service.text.tokenizer import Tokens


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules ready for use; from any thread, unless their time is limited.

    Attributes:
        labels: that its rules give, in the order of the rules.
        prefer: who is right where a rule and what was found before overlap.
    """

    labels: tuple[str, ...]
    prefer: Prefer
    gazetteer: Gazetteer
    patterns: TokenPatterns
    expressions: Expressions
    lists: Lists
    stopwatch: Stopwatch

    def apply(self, text: str, tokens: Tokens, entities: Sequence[Entity]) -> tuple[Entity, ...]:
        """Let the rules meet entities that were found before, by the model or other rules.

        First the lists drop what they do not permit, of both sides. Of rules that overlap, the
        longer match stays. Then `prefer` decides between a match and what was found before:
        `rules`, the match stays; `model`, what was found before; `longest`, the longer, and the
        match if they are equally long.

        Raises:
            RuleError: the rules took longer than their limit.
        """
        before = [e for e in entities if self.lists.permits(e.text, e.label)]
        found = longest_first(
            entity for entity in self._find(text, tokens)
            if self.lists.permits(entity.text, entity.label)
        )  # fmt: skip
        if not found:
            return tuple(before)
        if self.prefer == "longest":
            return tuple(longest_first([*found, *before]))
        if self.prefer == "model":
            found = list(without_overlap(found, before))
        else:
            before = list(without_overlap(before, found))
        return tuple(sorted([*before, *found], key=lambda entity: entity.start))

    def _find(self, text: str, tokens: Tokens) -> list[Entity]:
        with self.stopwatch:
            matches = [
                *self.gazetteer.find(text, tokens),
                *self.patterns.find(text, tokens),
                *self.expressions.find(text),
            ]
        matches.sort(key=lambda match: match.rule.order)
        return [match.entity(text) for match in matches]


def compile_rules(rules: Rules, *, limits: Limits = SERVER_LIMITS) -> RuleSet:
    """Make rules ready for use.

    Raises:
        RuleError: naming the rule that is over a limit, broken or not supported.
    """
    finders = [*rules.gazetteers, *rules.patterns, *rules.regexes]
    ordered = [Rule(f.label, f.score, f.id, order) for order, f in enumerate(finders)]
    of_patterns = ordered[len(rules.gazetteers) :]
    of_regexes = of_patterns[len(rules.patterns) :]
    _check_numbers(rules, limits)
    names = [
        NameList(f"gazetteers.{index}.names", ordered[index], entry.names, entry.case_sensitive)
        for index, entry in enumerate(rules.gazetteers)
    ]
    compiler, stopwatch = RegexCompiler(limits), Stopwatch(limits.seconds)
    patterns = []
    for index, (rule, entry) in enumerate(zip(of_patterns, rules.patterns, strict=False)):
        field = f"patterns.{index}.pattern"
        if isinstance(entry.pattern, str):
            names.append(NameList(field, rule, [entry.pattern], case_sensitive=True))
        else:
            patterns.append(TokenPattern(rule, entry.pattern, compiler, field=field))
    expressions = [
        Expression.build(
            compiler,
            rule,
            entry.regex,
            field=f"regexes.{index}.regex",
            case_sensitive=entry.case_sensitive,
        )
        for index, (rule, entry) in enumerate(zip(of_regexes, rules.regexes, strict=True))
    ]
    return RuleSet(
        tuple(dict.fromkeys(finder.label for finder in finders)),
        rules.prefer,
        Gazetteer(names, stopwatch),
        TokenPatterns(patterns, stopwatch),
        Expressions(expressions, stopwatch),
        Lists(rules.allow, rules.deny),
        stopwatch,
    )


def _check_numbers(rules: Rules, limits: Limits) -> None:
    for index, entry in enumerate(rules.gazetteers):
        if entry.file is not None and not limits.files:
            raise RuleError(f"gazetteers.{index}.file", "only rules on the server may name files")
    phrases = sum(isinstance(entry.pattern, str) for entry in rules.patterns)
    numbers = (
        ("gazetteers", sum(len(e.names) for e in rules.gazetteers) + phrases, limits.names),
        ("patterns", len(rules.patterns) - phrases, limits.patterns),
        ("regexes", len(rules.regexes), limits.regexes),
        ("allow", sum(len(entry.texts) for entry in rules.allow), limits.texts),
        ("deny", sum(len(entry.texts) for entry in rules.deny), limits.texts),
    )
    for field, number, most in numbers:
        if number > most:
            raise RuleError(field, f"expected at most {most} entries together, got {number}")
