"""Half a million names: how long they take to load, and what they add to tagging a token."""

import os
import random
import string
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ner_service.rules import load_rules
from ner_service.text import tokenize

COUNT = 500_000
# Seconds of a core.
LOADING = 5.0
# Tagging takes at least twenty times as long as tokenising, and names may add 15 % to it. Both are
# measured here and now, for a busy machine slows both alike.
TAGGING = 20
SHARE = 0.15


def least_seconds(work: Callable[[], object]) -> float:
    """The least time of a core that some runs take."""
    seconds = []
    for _ in range(3):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def seconds_to_load(rules: Path) -> float:
    """In a process of its own, since counting coverage would be measured along with loading."""
    program = (
        "import sys, time; from pathlib import Path; from ner_service.rules import load_rules; "
        "begin = time.process_time(); load_rules(Path(sys.argv[1])); "
        "print(time.process_time() - begin)"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    command = [sys.executable, "-c", program, str(rules)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_half_a_million_names_load_and_search_quickly(tmp_path: Path):
    generator = random.Random(1)
    words = [
        "".join(generator.choices(string.ascii_lowercase, k=generator.randint(3, 9))).title()
        for _ in range(60_000)
    ]
    frequent = ["The", "New", "United", "St.", "Bank", "North", "In"]
    names: set[str] = set()
    while len(names) < COUNT:
        parts = generator.choices(words, k=generator.choice((1, 2, 2, 2, 3, 4)))
        if len(parts) > 1 and generator.random() < 0.2:
            parts[0] = generator.choice(frequent)
        names.add(" ".join(parts))
    (tmp_path / "names.txt").write_text("\n".join(names))
    rules = tmp_path / "rules.toml"
    rules.write_text('[[gazetteers]]\nlabel = "PRODUCT"\nfile = "names.txt"\n')

    loading = seconds_to_load(rules)
    rule_set = load_rules(rules)

    # As in the news: one word in twenty begins a name, and some of those are one.
    choices = sorted(names)[::200], frequent, [word.lower() for word in words[:5000]]
    kinds = generator.choices(choices, weights=(2, 3, 95), k=100_000)
    text = " ".join(generator.choice(kind) for kind in kinds)
    tokens = tokenize(text)
    assert len(rule_set.apply(text, tokens, [])) > 2000
    searching = least_seconds(lambda: rule_set.apply(text, tokens, []))
    tokenizing = least_seconds(lambda: tokenize(text))
    assert loading < LOADING
    assert searching < SHARE * TAGGING * tokenizing
