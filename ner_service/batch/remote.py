"""Object stores, through Arrow's file systems and, for schemes that Arrow lacks, fsspec's."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from ner_service.errors import ConfigError, NerError

if TYPE_CHECKING:
    import pyarrow.fs


def is_remote(name: str) -> bool:
    """Tell `s3://bucket/key` from a path."""
    return "://" in name


def need(module: str, purpose: str) -> ModuleType:
    """Import an optional module.

    Raises:
        ConfigError: it is not installed; the message names the extra that brings it.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.split(".")[0]
        raise ConfigError(f"{purpose}: expected {package}, install ner-service[batch]") from None


def resolve(uri: str) -> tuple["pyarrow.fs.FileSystem", str]:
    """The file system of an address and the path within it.

    Raises:
        NerError: neither Arrow nor fsspec knows the address.
    """
    fs = need("pyarrow.fs", uri)
    scheme = uri.partition("://")[0]
    try:
        filesystem, path = fs.FileSystem.from_uri(uri)
    except Exception as error:  # Arrow raises types of its own for what it was built without
        try:
            fsspec = import_module("fsspec")
            handler = fs.FSSpecHandler(fsspec.filesystem(scheme))
            return fs.PyFileSystem(handler), uri.partition("://")[2]
        except (ImportError, ValueError):
            raise NerError(f"{uri}: {' '.join(str(error).split())}") from None
    return filesystem, path
