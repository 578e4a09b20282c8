"""Models as they were published, run by torch: from a folder, the Hugging Face cache or the hub."""

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from search.embedding.errors import ModelUnavailable
from search.embedding.hub import hub_in_reach
from search.embedding.model_identity import active_pair, is_folder, is_path
from search.models.vector_values import MOST_DIMENSIONS

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from search.embedding.torch_encoders import SentencePictures, SentenceTexts

logger = logging.getLogger(__name__)

# torch's threads wait for each other by spinning, and starve the threads that decode pictures. With a short spin
# ingestion was 1.1 to 2.5 times as fast, at two thirds of the processor time, in three interleaved runs on two busy
# cores, and a query no slower. Read once, when torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")

Opened = TypeVar("Opened")
_ASKS_TO_RUN_CODE = "trust_remote_code"
"""In the messages of transformers about models that consist of code."""


def torch_pictures(name: str = "") -> "SentencePictures":
    """Load an image model, by default the active one, uncompiled. Raises ModelUnavailable."""
    name = name or active_pair().image
    model = load_model(name)

    from search.embedding import common_space_checks  # noqa: PLC0415 - imports torch
    from search.embedding.torch_encoders import SentencePictures  # noqa: PLC0415

    return _encoder(name, model, common_space_checks.require_image_tower, SentencePictures)


def torch_texts(name: str = "") -> "SentenceTexts":
    """Load a text model, by default the active one, uncompiled. Raises ModelUnavailable."""
    name = name or active_pair().text
    model = load_model(name)

    from search.embedding import common_space_checks  # noqa: PLC0415 - imports torch
    from search.embedding.torch_encoders import SentenceTexts  # noqa: PLC0415

    return _encoder(name, model, common_space_checks.require_text_tower, SentenceTexts)


def _encoder(
    name: str,
    model: "SentenceTransformer",
    require: "Callable[[SentenceTransformer], None]",
    encoder: "Callable[[SentenceTransformer], Opened]",
) -> Opened:
    def opened() -> Opened:
        require(model)
        return encoder(model)

    return _opened(name, opened)


def load_model(name: str) -> "SentenceTransformer":
    """Load the model in the folder `name`, or with that id from the cache or the hub. Raises ModelUnavailable."""
    if is_folder(name):
        return _opened(name, lambda: _of_folder(name))
    if is_path(name):
        raise ModelUnavailable(
            f"There is no folder {name}. Models are existing folders, or ids of the Hugging Face hub, named by "
            "EMBEDDING_IMAGE_MODEL and EMBEDDING_TEXT_MODEL, or by the arguments of a command."
        )
    from search.embedding.torch_encoders import open_model  # noqa: PLC0415 - imports torch

    try:
        return open_model(name, local_files_only=True)
    except Exception:
        logger.info("Model %s is not in the local cache.", name)
    if not hub_in_reach():
        raise ModelUnavailable(
            f"The model {name} is not on this machine, and the Hugging Face hub does not respond. Connect it once and "
            "run the command again, or `manage.py download_models` for the models of EMBEDDING_IMAGE_MODEL and "
            "EMBEDDING_TEXT_MODEL; or name folders."
        )
    return _opened(name, lambda: open_model(name, local_files_only=False))


def _of_folder(folder: str) -> "SentenceTransformer":
    # Importing torch takes seconds: for nothing, if there is no model.
    if not any(file.endswith(".json") for file in os.listdir(folder)):
        raise FileNotFoundError("There is no configuration of a model in it, such as config.json.")
    from search.embedding.torch_encoders import open_model  # noqa: PLC0415 - imports torch

    return open_model(folder, local_files_only=True)


def _opened(name: str, load: Callable[[], Opened]) -> Opened:
    try:
        return load()
    # The loaders raise anything: OSError, ValueError, KeyError, RuntimeError, ...
    except Exception as error:
        if _ASKS_TO_RUN_CODE in str(error):
            raise ModelUnavailable(
                f"The model {name} can't be used: it contains program code of its own, and code from a model is not "
                "run. docs/models.md lists models that can be used."
            ) from error
        raise ModelUnavailable(
            f"The model {name} can't be used ({type(error).__name__}: {error}). It must be the folder or the hub id "
            f"of a sentence-transformers model with vectors of at most {MOST_DIMENSIONS:,} dimensions; check the name "
            "(EMBEDDING_IMAGE_MODEL, EMBEDDING_TEXT_MODEL, or the command's argument)."
        ) from error
