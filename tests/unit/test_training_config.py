from pathlib import Path

import pytest

from ner_service.errors import ConfigError
from training.config import TrainConfig, load_config, put_override

CONFIGS = Path(__file__).parents[2] / "training" / "configs"
BASIC = """
name = "x"
output = "models/x"

[data]
path = "corpus"

[[vectors]]
name = "glove"
path = "glove.txt"
limit = 100

[network]
cell = "gru"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(BASIC, encoding="utf-8")
    return path


def test_file_and_defaults_make_a_configuration(file):
    settings = load_config(file)
    assert isinstance(settings, TrainConfig)
    assert settings.network.cell == "gru"
    assert settings.vectors[0].limit == 100
    assert settings.optimiser.name == "sgd"
    assert settings.data.path == "corpus"


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("epochs=3", lambda s: s.epochs == 3),
        ("optimiser.learning_rate=0.5", lambda s: s.optimiser.learning_rate == 0.5),
        ("network.bidirectional=false", lambda s: s.network.bidirectional is False),
        ("network.cell=rnn_relu", lambda s: s.network.cell == "rnn_relu"),
        ('name="1"', lambda s: s.name == "1"),
        ("name=a=b", lambda s: s.name == "a=b"),
        ("data.path=../folder with space/x", lambda s: s.data.path == "../folder with space/x"),
        ("vectors.0.limit=7", lambda s: s.vectors[0].limit == 7),
        ("vectors.0.trainable=true", lambda s: s.vectors[0].trainable is True),
        ("vectors=[]", lambda s: s.vectors == ()),
        ("patience=2", lambda s: s.patience == 2),
    ],
)
def test_override_goes_before_the_file(file, override, read):
    assert read(load_config(file, [override]))


def test_last_of_two_overrides_counts(file):
    assert load_config(file, ["epochs=3", "epochs=4"]).epochs == 4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("epochs", "--set: expected key=value, got 'epochs'"),
        ("=3", "--set: expected key=value, got '=3'"),
        ("epochs=0", "epochs: Input should be greater than or equal to 1, got 0"),
        ("epochs=many", "epochs"),
        ("epoch=3", "epoch: Unexpected keyword argument, got 3"),
        ("network.widht=3", "network.widht"),
        ("data.paht=x", "data.paht"),
        ("optimiser.name=lion", "optimiser.name"),
        ("optimiser.clip_norm=0", "optimiser.clip_norm"),
        ("optimiser.learning_rate=nan", "optimiser.learning_rate"),
        ("dropout.x=1", "dropout"),
        ("lower=1.5", "lower"),
        ("seed=-1", "seed"),
        ("scheme=IOB1", "scheme"),
        ("window_tokens=3", "window_tokens"),
        ("window_tokens=20000", "window_tokens"),
        ("name.x=1", "--set: name.x: x stands under a value, not under a table"),
        ("name.x.y=1", "--set: name.x.y: x stands under a value, not under a table"),
        ("vectors.1.limit=3", "--set: vectors.1.limit: expected a number below 1, got 1"),
        ("vectors.².limit=3", "expected a number below 1"),
        ("vectors.0=3", "--set: vectors.0: expected a named setting, got a place in a list"),
        ("vectors.0.name=Glo Ve", "vectors.0.name"),
        ('vectors=[{name="a",path="x"},{name="a",path="y"}]', "different names, got a, a"),
        ("network.one_hot=1.5", "network.one_hot"),
    ],
)
def test_unacceptable_override_is_told(file, override, said):
    with pytest.raises(ConfigError) as failure:
        load_config(file, [override])
    assert said in str(failure.value)
    assert "\n" not in str(failure.value)


def test_windows_of_a_stream_are_not_cut(file):
    with pytest.raises(ConfigError, match=r"cut_windows: expected 0 with data.streaming, got 0.2"):
        load_config(file, ["data.streaming=true", "cut_windows=0.2"])


@pytest.mark.parametrize("content", [b"name = ", b"[[", b"\xff\xfe", b"name = 1\nname = 2"])
def test_file_that_is_no_toml_is_named(file, content):
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="not TOML") as failure:
        load_config(file)
    assert str(file) in str(failure.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no.toml: expected a TOML file, found none"):
        load_config(tmp_path / "no.toml")


def test_missing_setting_is_named(file):
    file.write_text('name = "x"', encoding="utf-8")
    with pytest.raises(ConfigError, match="output: Field required"):
        load_config(file)


def test_override_makes_tables_that_are_not_there():
    settings: dict = {}
    put_override(settings, "optimiser.name=adam")
    assert settings == {"optimiser": {"name": "adam"}}


@pytest.mark.parametrize("name", ["conll2003", "smoke"])
def test_configurations_that_are_shipped_are_acceptable(name):
    assert load_config(CONFIGS / f"{name}.toml").name == name


def test_shipped_model_sees_words_one_hot_and_by_vectors():
    settings = load_config(CONFIGS / "conll2003.toml")
    assert settings.network.one_hot
    assert settings.network.vectors
    assert settings.vectors
