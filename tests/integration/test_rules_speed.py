"""Half a million names: how long they take to load, and what they add to tagging a token."""

import json
import os
import random
import string
import subprocess
import sys
from pathlib import Path

COUNT = 500_000
# Seconds of a core.
LOADING = 5.0
# Tagging takes at least twenty times as long as tokenising, and names may add 15 % to it. Both are
# measured in turns, for a busy machine slows both alike.
TAGGING = 20
SHARE = 0.15
# In a process of its own: counting coverage slows Python's lines, and hardly the tokenizer, which
# is one regular expression.
PROGRAM = """
import json, sys, time
from pathlib import Path
from ner_service.rules import load_rules
from ner_service.text import tokenize

def seconds(work):
    begin = time.process_time()
    work()
    return time.process_time() - begin

rules, text = Path(sys.argv[1]), Path(sys.argv[2]).read_text()
begin = time.process_time()
rule_set = load_rules(rules)
loading = time.process_time() - begin
tokens = tokenize(text)
found = rule_set.apply(text, tokens, [])
turns = [
    (seconds(lambda: rule_set.apply(text, tokens, [])), seconds(lambda: tokenize(text)))
    for _ in range(7)
]
searching, tokenizing = (min(column) for column in zip(*turns))
print(json.dumps([loading, len(found), searching, tokenizing]))
"""


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

    # As in the news: one word in twenty begins a name, and some of those are one.
    choices = sorted(names)[::200], frequent, [word.lower() for word in words[:5000]]
    kinds = generator.choices(choices, weights=(2, 3, 95), k=100_000)
    text = " ".join(generator.choice(kind) for kind in kinds)
    article = tmp_path / "article.txt"
    article.write_text(text)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    command = [sys.executable, "-c", PROGRAM, str(rules), str(article)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    loading, found, searching, tokenizing = json.loads(done.stdout)
    assert found > 2000
    assert loading < LOADING
    assert searching < SHARE * TAGGING * tokenizing
