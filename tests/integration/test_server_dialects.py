"""The dialects, each with the client that people already have, against a running server."""

import json
import urllib.request
from collections.abc import Iterator

import boto3
import botocore.config
import botocore.exceptions
import httpx
import huggingface_hub.constants
import pytest
import spacy
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import RecognizerResult
from spacy.tokens import Doc

from tests.server import Server, running

KEY = "the-key"
BEARER = {"authorization": f"Bearer {KEY}"}
TEXT = "😀 Bob left  Paris\nwith\u200bAnn."
NAMES = [("Bob", "PER"), ("Paris", "LOC"), ("Ann", "PER")]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("-m", "tests.serve_fake", "other", api_keys=KEY, max_text_length=1000) as server:
        yield server


class TestHuggingFace:
    @pytest.fixture(autouse=True)
    def _allow_this_host(self, monkeypatch):
        """Tests may not reach a hub; the client would take our own server for one."""
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)

    @pytest.fixture
    def client(self, server: Server) -> InferenceClient:
        return InferenceClient(model=f"{server.url}/hf/fake", token=KEY)

    @pytest.mark.parametrize("strategy", [None, "simple", "first", "average", "max"])
    def test_entities(self, client: InferenceClient, strategy: str | None):
        found = client.token_classification(TEXT, aggregation_strategy=strategy)
        assert [(e.word, e.entity_group) for e in found] == NAMES
        assert all(TEXT[e.start : e.end] == e.word for e in found)
        assert [e.score for e in found] == [0.9, 0.6, 0.9]

    def test_tokens(self, client: InferenceClient):
        found = client.token_classification(TEXT, aggregation_strategy="none")
        assert [(e.word, e.entity) for e in found] == [
            ("Bob", "B-PER"),
            ("Paris", "B-LOC"),
            ("Ann", "B-PER"),
        ]
        assert all(TEXT[e.start : e.end] == e.word for e in found)

    def test_labels_are_ignored(self, client: InferenceClient):
        found = client.token_classification(TEXT, ignore_labels=["PER"])
        assert [e.word for e in found] == ["Paris"]
        found = client.token_classification(
            TEXT, aggregation_strategy="none", ignore_labels=["B-LOC"]
        )
        assert [e.word for e in found] == ["Bob", "Ann"]

    def test_nothing_is_found_in_nothing(self, client: InferenceClient):
        assert client.token_classification("nobody") == []

    def test_another_model(self, server: Server):
        client = InferenceClient(model=f"{server.url}/hf/other", token=KEY)
        assert len(client.token_classification("Bob")) == 1

    @pytest.mark.parametrize(
        ("model", "token", "status"), [("fake", "wrong", 401), ("nope", KEY, 404)]
    )
    def test_errors(self, server: Server, model: str, token: str, status: int):
        client = InferenceClient(model=f"{server.url}/hf/{model}", token=token)
        with pytest.raises(HfHubHTTPError) as error:
            client.token_classification("Bob")
        assert error.value.response.status_code == status
        assert "error" in error.value.response.json()

    def test_lists(self, server: Server):
        body = {"inputs": ["Bob left", "nobody", "Ann"]}
        answer = httpx.post(f"{server.url}/hf/fake", json=body, headers=BEARER).json()
        assert [[e["word"] for e in found] for found in answer] == [["Bob"], [], ["Ann"]]

    def test_a_wrong_shape_is_told(self, server: Server):
        body = {"inputs": 5, "parameters": {"aggregation_strategy": "best"}}
        response = httpx.post(f"{server.url}/hf/fake", json=body, headers=BEARER)
        assert response.status_code == 422
        assert "aggregation_strategy" in response.json()["error"]


class TestComprehend:
    @pytest.fixture(params=["/aws", "/aws/"])
    def client(self, request: pytest.FixtureRequest, server: Server):
        return comprehend(f"{server.url}{request.param}")

    def test_detect_entities(self, client):
        answer = client.detect_entities(Text=TEXT, LanguageCode="en")
        found = answer["Entities"]
        assert [(e["Text"], e["Type"]) for e in found] == [
            ("Bob", "PERSON"),
            ("Paris", "LOCATION"),
            ("Ann", "PERSON"),
        ]
        assert all(TEXT[e["BeginOffset"] : e["EndOffset"]] == e["Text"] for e in found)
        assert found[0]["Score"] == 0.9

    def test_batch_detect_entities(self, client):
        answer = client.batch_detect_entities(
            TextList=["Bob left", "x" * 1001, "nobody"], LanguageCode="en"
        )
        assert [(r["Index"], len(r["Entities"])) for r in answer["ResultList"]] == [(0, 1), (2, 0)]
        (error,) = answer["ErrorList"]
        assert error["Index"] == 1
        assert error["ErrorCode"] == "TextSizeLimitExceededException"
        assert "1000" in error["ErrorMessage"]

    def test_another_language(self, client):
        with pytest.raises(client.exceptions.UnsupportedLanguageException):
            client.detect_entities(Text="Bob", LanguageCode="de")
        with pytest.raises(client.exceptions.UnsupportedLanguageException):
            client.batch_detect_entities(TextList=["Bob"], LanguageCode="fr")

    def test_a_long_text(self, client):
        with pytest.raises(client.exceptions.TextSizeLimitExceededException):
            client.detect_entities(Text="x" * 1001, LanguageCode="en")

    def test_an_endpoint_names_a_model(self, client):
        arn = "arn:aws:comprehend:us-east-1:123456789012:entity-recognizer-endpoint/{}"
        assert client.detect_entities(Text="Bob", EndpointArn=arn.format("other"))["Entities"]
        with pytest.raises(client.exceptions.ResourceUnavailableException):
            client.detect_entities(Text="Bob", EndpointArn=arn.format("nope"))

    def test_a_wrong_key(self, server: Server):
        with pytest.raises(botocore.exceptions.ClientError) as error:
            comprehend(f"{server.url}/aws", key="wrong").detect_entities(
                Text="Bob", LanguageCode="en"
            )
        assert error.value.response["Error"]["Code"] == "UnrecognizedClientException"

    def test_another_operation(self, client):
        with pytest.raises(client.exceptions.InvalidRequestException):
            client.detect_sentiment(Text="Bob", LanguageCode="en")


def comprehend(url: str, key: str = KEY):
    return boto3.client(
        "comprehend",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key="unused",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


class TestPresidio:
    def analyze(self, server: Server, **body: object) -> httpx.Response:
        given = {"text": TEXT, "language": "en", **body}
        return httpx.post(f"{server.url}/presidio/analyze", json=given, headers=BEARER)

    def test_findings_come_surest_first(self, server: Server):
        assert self.analyze(server).json() == [
            {"entity_type": kind, "start": start, "end": end, "score": score}
            | {"analysis_explanation": None}
            for kind, start, end, score in [
                ("PERSON", 2, 5, 0.9),
                ("PERSON", 23, 26, 0.9),
                ("LOCATION", 12, 17, 0.6),
            ]
        ]

    def test_the_anonymizer_takes_them(self, server: Server):
        results = [RecognizerResult.from_json(found) for found in self.analyze(server).json()]
        anonymized = AnonymizerEngine().anonymize(TEXT, results)
        assert anonymized.text == "😀 <PERSON> left  <LOCATION>\nwith\u200b<PERSON>."

    def test_lists(self, server: Server):
        answer = self.analyze(server, text=["Bob", "nobody"]).json()
        assert [len(found) for found in answer] == [1, 0]

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"score_threshold": 0.7}, ["PERSON", "PERSON"]),
            ({"entities": ["LOCATION"]}, ["LOCATION"]),
            ({"allow_list": ["Bob", "Paris"]}, ["PERSON"]),
            ({"return_decision_process": True}, ["PERSON", "PERSON", "LOCATION"]),
        ],
    )
    def test_options(self, server: Server, options: dict, expected: list[str]):
        assert [
            found["entity_type"] for found in self.analyze(server, **options).json()
        ] == expected

    def test_the_correlation_id_is_the_request_id(self, server: Server):
        response = self.analyze(server, correlation_id="abc-123")
        assert response.headers["x-request-id"] == "abc-123"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"language": "de"},
            {"language": None},
            {"text": 5},
            {"text": []},
            {"ad_hoc_recognizers": [{"name": "x"}]},
            {"allow_list": [".*"], "allow_list_match": "regex"},
            {"score_threshold": 2},
        ],
    )
    def test_errors_have_its_shape(self, server: Server, wrong: dict):
        response = self.analyze(server, **wrong)
        assert response.status_code == 400
        assert list(response.json()) == ["error"]

    def test_the_pages_around_it(self, server: Server):
        def get(page: str) -> httpx.Response:
            return httpx.get(f"{server.url}/presidio/{page}", headers=BEARER)

        assert httpx.get(f"{server.url}/presidio/health").status_code == 200
        assert get("recognizers?language=en").json() == ["fake"]
        assert set(get("supportedentities?language=en").json()) == {
            "PERSON",
            "LOCATION",
            "ORGANIZATION",
            "MISC",
        }
        assert get("supportedentities?language=de").status_code == 400
        assert httpx.get(f"{server.url}/presidio/recognizers").status_code == 401


class TestSpacy:
    TEXTS = [
        TEXT,
        "",
        " ",
        "Bob",
        "  Bob \n\n left\tParis  ",
        "\ufeffBob\u200b \u200bAnn",
        "don't (Bob) \r\n ...",
        "👩‍👩‍👧 Bob مرحبا Ann",
    ]

    def post(self, server: Server, form: str, body: object) -> httpx.Response:
        return httpx.post(f"{server.url}/v1/entities?format={form}", json=body, headers=BEARER)

    @pytest.mark.parametrize("text", TEXTS)
    def test_displacy_renders_it(self, server: Server, text: str):
        answer = self.post(server, "displacy", {"text": text}).json()
        html = spacy.displacy.render(answer, style="ent", manual=True)
        assert html.count("<mark") == len(answer["ents"])

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_doc_is_made_of_it(self, server: Server, text: str):
        answer = self.post(server, "spacy", {"text": text}).json()
        doc = Doc(spacy.blank("en").vocab).from_json(answer, validate=True)
        assert doc.text == text
        ours = self.post(server, "entities", {"text": text}).json()["documents"][0]["entities"]
        assert [(e.text, e.label_, e.start_char) for e in doc.ents] == [
            (e["text"], e["label"], e["start"]) for e in ours
        ]

    def test_documents_make_a_list(self, server: Server):
        body = {"documents": [{"text": "Bob"}, {"tokens": ["Ann", "left"]}], "labels": ["PER"]}
        answer = self.post(server, "displacy", body).json()
        assert [document["text"] for document in answer] == ["Bob", "Ann left"]
        assert spacy.displacy.render(answer, style="ent", manual=True).count("<mark") == 2

    def test_other_forms_and_units_are_refused(self, server: Server):
        assert self.post(server, "xml", {"text": "Bob"}).status_code == 422
        body = {"text": "Bob", "offset_unit": "byte"}
        assert self.post(server, "spacy", body).status_code == 422
        body = {"documents": [{"text": "x" * 1001}]}
        assert self.post(server, "spacy", body).status_code == 413


def test_the_key_of_each_dialect_is_needed(server: Server):
    for path in ("/hf/fake", "/aws", "/presidio/analyze", "/v1/entities"):
        request = urllib.request.Request(f"{server.url}{path}", data=b"{}")
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request)
        assert error.value.code == 401
        json.loads(error.value.read())
