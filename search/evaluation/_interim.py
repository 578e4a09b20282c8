"""Until the models room offers these."""

from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings

from search.embedding import picture_encoder, text_encoder
from search.embedding.door import PictureDoor, TextDoor
from search.embedding.identity import _identity
from search.embedding.loading import _Once, load_model


class Pair(NamedTuple):
    image: str
    text: str


def active_pair() -> Pair:
    return Pair(settings.EMBEDDING_IMAGE_MODEL, settings.EMBEDDING_TEXT_MODEL)


def identity_of(name: str) -> str:
    return _identity(name)


class Encoders:
    def __init__(self, image: str, text: str) -> None:
        self.pair = Pair(image, text)
        self.model, self.text_model = identity_of(image), identity_of(text)

    def pictures(self) -> Any:
        return picture_encoder() if self.pair.image == active_pair().image else _pictures(self.pair.image).get()

    def texts(self) -> Any:
        return text_encoder() if self.pair.text == active_pair().text else _texts(self.pair.text).get()


def encoders_of(image: str, text: str) -> Encoders:
    return Encoders(image, text)


@lru_cache
def _pictures(name: str) -> Any:
    def load() -> Any:
        from search.embedding.encoders import SentencePictures

        return SentencePictures(load_model(name))

    return _Once(load, lambda it: PictureDoor(it, name))


@lru_cache
def _texts(name: str) -> Any:
    def load() -> Any:
        from search.embedding.encoders import SentenceTexts

        return SentenceTexts(load_model(name))

    return _Once(load, lambda it: TextDoor(it, name))
