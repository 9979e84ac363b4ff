"""The backend asked for, or the one that suits the machine."""

from importlib.util import find_spec
from pathlib import Path

from ner_service.artifact import Artifact
from ner_service.errors import ConfigError
from ner_service.inference.backend import Backend, BackendName, Precision

_GPU_DEVICES = ("/dev/nvidia0", "/dev/dxg")


def make_backend(
    artifact: Artifact, name: BackendName, precision: Precision, threads: int | None
) -> Backend:
    """The backend asked for; torch is imported only if it may be used."""
    if name == "auto":
        name = "torch" if precision != "int8" and _has_gpu() else "onnx"
    if precision == "half" and not (name == "torch" and _has_gpu()):
        raise ConfigError("precision half: expected a GPU and ner-service[torch], found none")
    if name == "onnx":
        from ner_service.inference.onnx_backend import OnnxBackend

        return OnnxBackend(artifact.path, precision=precision, threads=threads)
    if precision == "int8":
        raise ConfigError("precision int8: expected backend onnx, got torch")
    try:
        from ner_service.inference.torch_backend import TorchBackend
    except ImportError:
        raise ConfigError("backend torch: expected torch, install ner-service[torch]") from None
    return TorchBackend(artifact, precision=precision, threads=threads)


def _has_gpu() -> bool:
    # The device file is asked first: importing torch for nothing would cost seconds at start.
    if not any(Path(device).exists() for device in _GPU_DEVICES) or find_spec("torch") is None:
        return False
    from ner_service.inference.torch_backend import has_gpu

    return has_gpu()
