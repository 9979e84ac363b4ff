"""Hostile requests, drawn at random from a seed: each kind goes wrong in a way of its own."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

PATHS = ("/v1/entities", "/hf/fake", "/presidio/analyze", "/aws")
TARGETS = ("DetectEntities", "BatchDetectEntities", "Nonsense")
BODY = b'{"text": "Bob bought a toy Yoda in Paris."}'
# Larger than these, a bomb is over the limit of the body anyway.
LONG = 300_000
DEEP = 100_000

STRINGS = (
    "", " ", "\x00", "\ud83d", "\udc00x", "e\u0301" * 50, "\u202eabc", "\U0001f469\u200d\U0001f467",
    "Bob", "\ufeff", "\u2028", "\\", '"', "a" * 5_000, "( " * 500, "A." * 500, "1-" * 500,
    "\r\n\r\n", "../../etc/passwd", "<script>", "%s%n", "${jndi:x}", "' OR 1=1 --",
)  # fmt: skip
LITERALS = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1e-999", b"-0", b"-0.0", b"01",
    b"1.", b"0x10", b"9" * 400, b"9" * 5_000, b"1e" + b"9" * 50, b"1." + b"0" * 5_000 + b"1", b"+1",
    b"nil", b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"', b'"\\u00"', b"'x'",
    b"18446744073709551616",
)  # fmt: skip
FIELDS = (
    "text", "documents", "model", "labels", "threshold", "offset_unit", "include", "id", "tokens",
    "inputs", "parameters", "language", "entities", "allow_list", "score_threshold", "Text",
    "TextList", "LanguageCode", "EndpointArn", "correlation_id", "__proto__", "constructor",
)  # fmt: skip
CONTENT_TYPES = (
    "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/xml",
    "application/json; charset=utf-16", "application/json;;;", "application/x-ndjson", "\xff", ",",
    "application/x-ndjson; charset=latin-1", "multipart/form-data; boundary=" + "x" * 500,
    "application/octet-stream", "a" * 2_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Attack:
    """What is sent, and how it ends.

    Attributes:
        kind: of which sort it is.
        pieces: sent one after the other.
        pause: seconds between two pieces.
        leaves: the client closes without waiting for an answer.
        answers: how many answers have to come at the least.
    """

    kind: str
    pieces: Sequence[bytes]
    pause: float = 0.0
    leaves: bool = False
    answers: int = 1


def attacks(seed: int, count: int) -> list[Callable[[], Attack]]:
    """As many attacks, every kind as often as any other; each is made when it is called."""
    return [_maker(seed, index) for index in range(count)]


def _maker(seed: int, index: int) -> Callable[[], Attack]:
    def make() -> Attack:
        kind, draw = KINDS[index % len(KINDS)]
        return draw(kind, random.Random(f"{seed} {index}"))

    return make


def request(
    body: bytes,
    *,
    path: str = "/v1/entities",
    lines: Sequence[str] = (),
    content_type: str | None = "application/json",
    length: int | None = -1,
    close: bool = True,
) -> bytes:
    """One request; `length` -1 is the true one, None gives none."""
    head = [f"POST {path} HTTP/1.1", "Host: test", *lines]
    if content_type is not None:
        head.append(f"Content-Type: {content_type}")
    if length is not None:
        head.append(f"Content-Length: {len(body) if length == -1 else length}")
    if close:
        head.append("Connection: close")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def somewhere(body: bytes, draw: random.Random) -> bytes:
    """A request to one of the pages that read bodies."""
    path = draw.choice(PATHS)
    if path == "/aws":
        target = f"X-Amz-Target: Comprehend_20171127.{draw.choice(TARGETS)}"
        return request(body, path=path, lines=[target], content_type="application/x-amz-json-1.1")
    if path == "/v1/entities" and draw.random() < 0.3:
        path += "?format=" + draw.choice(("displacy", "spacy", "entities", "%00", "x", ""))
    return request(body, path=path)


def _sound(draw: random.Random) -> dict:
    """A body that one of the pages would take."""
    text = " ".join(draw.choices(("Bob", "left", "Paris", "\U0001f600", "the", "U.S."), k=8))
    return draw.choice(
        (
            {"text": text, "include": ["tokens"], "offset_unit": "utf16"},
            {"documents": [{"id": "a", "text": text}, {"tokens": text.split()}]},
            {"inputs": [text, text], "parameters": {"aggregation_strategy": "none"}},
            {"text": text, "language": "en", "entities": ["PERSON"]},
            {"TextList": [text], "LanguageCode": "en"},
            {"Text": text, "LanguageCode": "en"},
        )
    )


def _value(draw: random.Random, depth: int = 0) -> object:
    if depth < 3 and draw.random() < 0.4:
        if draw.random() < 0.5:
            return [_value(draw, depth + 1) for _ in range(draw.randrange(4))]
        return {draw.choice(FIELDS): _value(draw, depth + 1) for _ in range(draw.randrange(4))}
    return draw.choice((*STRINGS, None, True, False, 0, -1, 1.5, 10**30, 2**63))


def _dump(value: object, draw: random.Random) -> bytes:
    """JSON, lone surrogates escaped or as the bytes that UTF-8 forbids."""
    if draw.random() < 0.7:
        return json.dumps(value).encode()
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _broken_utf8(kind: str, draw: random.Random) -> Attack:
    body = bytearray(_dump(_sound(draw), draw))
    for _ in range(draw.randint(1, 5)):
        place = draw.randrange(len(body))
        bad = draw.choice((b"\x80", b"\xc0\xaf", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"))
        body[place : place + draw.randrange(2)] = bad
    return Attack(kind, [somewhere(bytes(body), draw)])


def _surrogates(kind: str, draw: random.Random) -> Attack:
    alone = draw.choice(("\ud83d", "\ude00", "\ude00\ud83d", "a\udfff"))
    body = _sound(draw)
    field = draw.choice([*body, "id", "model", "labels", alone])
    body[field] = draw.choice((alone, [alone], {alone: alone}, [{"text": alone, "id": alone}]))
    return Attack(kind, [somewhere(_dump(body, draw), draw)])


def _numbers(kind: str, draw: random.Random) -> Attack:
    body = _sound(draw)
    field = draw.choice(("threshold", "score_threshold", *FIELDS))
    body.pop(field, None)
    literal = draw.choice(LITERALS)
    nested = draw.choice((b"%s", b"[%s]", b'{"PER": %s}', b'[{"text": %s}]')) % literal
    written = json.dumps(body).encode()[:-1] + b', "%s": %s}' % (field.encode(), nested)
    return Attack(kind, [somewhere(written, draw)])


def _depth(kind: str, draw: random.Random) -> Attack:
    count = draw.choice((50, 500, 900, 1_100, 5_000, DEEP))
    opening, closing = draw.choice(((b"[", b"]"), (b'{"text":', b"}"), (b'{"a":[', b"]}")))
    closed = closing * count if draw.random() < 0.5 else b""
    nest = opening * count + b"1" * draw.randrange(2) + closed
    body = draw.choice((nest, b'{"text": "Bob", "labels": ' + nest + b"}"))
    return Attack(kind, [somewhere(body, draw)])


def _types(kind: str, draw: random.Random) -> Attack:
    body = _sound(draw) if draw.random() < 0.5 else {}
    for _ in range(draw.randint(1, 3)):
        body[draw.choice(FIELDS)] = _value(draw)
    whole = body if draw.random() < 0.9 else _value(draw)
    return Attack(kind, [somewhere(_dump(whole, draw), draw)])


def _bomb(kind: str, draw: random.Random) -> Attack:
    many = draw.choice((2, 999, 1_001, 20_000))
    body = draw.choice(
        (
            lambda: b'{"text": "Bob"' + b', "text": "x"' * many + b"}",
            lambda: b"{" + b",".join(b'"k%d": %d' % (i, i) for i in range(many)) + b"}",
            lambda: b'{"documents": [' + b",".join([b'{"text": "Bob"}'] * many) + b"]}",
            lambda: b'{"documents": [' + b",".join([b"7"] * many) + b"]}",
            lambda: b'{"documents": [{"tokens": [' + b",".join([b'"Bob"'] * many) + b"]}]}",
            lambda: b'{"text": "' + draw.choice((b"a", b"( ", b"A. ", b"\xf0\x9f\x98\x80")) * LONG,
            lambda: b'{"text": "' + draw.choice((b"a", b"(", b"A.", b"1,")) * (LONG // 20) + b'"}',
            lambda: b'{"' + b"k" * LONG + b'": 1}',
            lambda: b'{"text": "x", "labels": [' + b",".join([b'"PER"'] * many) + b"]}",
            lambda: b'{"text": "x", "threshold": {"' + b"P" * LONG + b'": 1}}',
            lambda: b" " * LONG + BODY,
            lambda: b'{"text": "' + b"\\u0041" * (LONG // 6) + b'"}',
        )
    )()
    return Attack(kind, [somewhere(body, draw)])


def _truncated(kind: str, draw: random.Random) -> Attack:
    body = _dump(_sound(draw), draw)
    return Attack(kind, [somewhere(body[: draw.randrange(len(body))], draw)])


def _mutated(kind: str, draw: random.Random) -> Attack:
    body = bytearray(_dump(_sound(draw), draw))
    for _ in range(draw.randint(1, 8)):
        place = draw.randrange(len(body)) if body else 0
        what = draw.randrange(3)
        if what == 0:
            del body[place : place + draw.randint(1, 4)]
        elif what == 1:
            body[place:place] = bytes(draw.randrange(256) for _ in range(draw.randint(1, 3)))
        else:
            body[place:place] = body[place : place + draw.randint(1, 20)]
    return Attack(kind, [somewhere(bytes(body), draw)])


def _slow(kind: str, draw: random.Random) -> Attack:
    sent = somewhere(_dump(_sound(draw), draw), draw)
    count = draw.randint(2, 6)
    cuts = sorted(draw.randrange(len(sent)) for _ in range(count))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    if draw.random() < 0.3:
        # Never finished: a head is cut off without an answer, a body is answered.
        return Attack(kind, pieces[:-1], pause=0.02, answers=0)
    return Attack(kind, pieces, pause=0.02)


def _content_type(kind: str, draw: random.Random) -> Attack:
    lines = draw.choice(
        ([], ["Content-Encoding: gzip"], ["Content-Encoding: \xff"], ["Content-Type: a/b"])
    )
    sent = request(BODY, content_type=draw.choice(CONTENT_TYPES), lines=lines)
    return Attack(kind, [sent])


def _chunked(kind: str, draw: random.Random) -> Attack:
    sizes = draw.choice(
        (
            lambda chunk: b"%x" % len(chunk),
            lambda chunk: b"%X;a=b" % len(chunk),
            lambda chunk: b"000000%x" % len(chunk),
            lambda chunk: b"%x" % (len(chunk) + draw.choice((-1, 1))),
            lambda _: draw.choice((b"zz", b"-1", b"", b"ffffffffffffffff", b"7fffffff", b"\xff")),
        )
    )
    body = _dump(_sound(draw), draw)
    step = draw.choice((1, 7, 1_000))
    chunks = [body[start : start + step] for start in range(0, len(body), step)]
    written = b"".join(b"%s\r\n%s\r\n" % (sizes(chunk), chunk) for chunk in chunks)
    end = draw.choice((b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"0\r\nX", b"", b"0\r\n\r\nGET"))
    head = request(b"", lines=["Transfer-Encoding: chunked"], length=None)
    return Attack(kind, [head + written + end])


def _pipelined(kind: str, draw: random.Random) -> Attack:
    count = draw.randint(2, 12)
    bodies = [BODY if draw.random() < 0.7 else b"{" for _ in range(count)]
    sent = b"".join(request(body, close=index == count - 1) for index, body in enumerate(bodies))
    return Attack(kind, [sent], answers=count)


def _half_head(kind: str, draw: random.Random) -> Attack:
    head = request(b"", length=50)
    return Attack(
        kind, [head[: draw.randrange(len(head) - 1)]], leaves=draw.random() < 0.7, answers=0
    )


def _head(kind: str, draw: random.Random) -> Attack:
    sent, answers = draw.choice(
        (
            (request(BODY, lines=["Content-Length: 3"]), 1),
            (request(BODY, lines=["Transfer-Encoding: chunked"]), 0),
            (request(BODY, lines=["Transfer-Encoding: gzip, chunked"], length=None), 1),
            (request(BODY, length=None).replace(b"Host: test", b"Content-Length: -5"), 1),
            (request(BODY, length=10**20), 1),
            (request(BODY, lines=["X: \x00"]), 1),
            (request(BODY, lines=["X" * 70_000 + ": y"]), 1),
            (request(BODY, lines=[f"X{i}: y" for i in range(500)]), 1),
            (request(BODY, lines=["Upgrade: websocket", "Sec-WebSocket-Key: x"]), 1),
            (request(BODY, lines=["X-Request-ID: " + "\xff" * 300]), 1),
            (request(BODY, lines=["Authorization: Bearer \xff\xfe"]), 1),
            (request(BODY, path="/" + "a" * 60_000), 1),
            (request(BODY, path="/v1/models/%00%ff/reload"), 1),
            (request(BODY, path="/hf/%ed%a0%80"), 1),
            (request(BODY, path="/v1/entities?format=" + "%ff" * 100), 1),
            (request(BODY, path="/v1/entities?" + "a&" * 5_000), 1),
            (request(BODY, path="*"), 1),
            (request(BODY, path="http://other/v1/entities"), 1),
            (request(BODY, path="/web/..%2f..%2fapp.py"), 1),
            (request(BODY).replace(b"POST", draw.choice((b"GET", b"BREW", b"post", b"PO ST"))), 1),
            (request(BODY).replace(b"HTTP/1.1", b"HTTP/9.9"), 1),
            (request(BODY).replace(b"HTTP/1.1", b"HTTP/1.0"), 1),
            (request(BODY).replace(b"Host: test\r\n", b""), 1),
            (request(BODY).replace(b"\r\n", b"\n"), 0),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 1),
            (
                b"\x16\x03\x01\x02\x00\x01\x00\x01" + draw.randbytes(200) + b"\r\n\r\n",
                0,
            ),
            (draw.randbytes(draw.randint(1, 3_000)) + b"\r\n\r\n", 0),
        )
    )
    return Attack(kind, [sent], answers=answers)


def _leaving(kind: str, draw: random.Random) -> Attack:
    sent = somewhere(_dump(_sound(draw), draw), draw)
    cut = len(sent) if draw.random() < 0.5 else draw.randrange(len(sent))
    return Attack(kind, [sent[:cut]], leaves=True, answers=0)


def _stream(kind: str, draw: random.Random) -> Attack:
    lines = []
    for _ in range(draw.randint(1, 20)):
        line = draw.choice(
            (BODY, b"{", b"", b"\xff", b"NaN", b"[" * 2_000, _dump(_value(draw), draw))
        )
        lines.append(line.replace(b"\n", b" "))
    end = draw.choice((b"", b"\n", b"\r\n", b"\n{"))
    sent = request(b"\n".join(lines) + end, content_type="application/x-ndjson")
    return Attack(kind, [sent])


Draw = Callable[[str, random.Random], Attack]
KINDS: tuple[tuple[str, Draw], ...] = (
    ("broken UTF-8", _broken_utf8),
    ("lone surrogates", _surrogates),
    ("NaN and huge numbers", _numbers),
    ("depth", _depth),
    ("wrong types", _types),
    ("bombs", _bomb),
    ("truncated", _truncated),
    ("mutated bytes", _mutated),
    ("slow", _slow),
    ("content types and encodings", _content_type),
    ("chunks", _chunked),
    ("pipelined", _pipelined),
    ("half a head", _half_head),
    ("odd heads", _head),
    ("leaving", _leaving),
    ("broken streams", _stream),
)
