"""The policies that ship, as people read them: the defaults here, those of ``wharfinger dev`` below."""

from importlib.resources import files

import yaml

from service.domain.spec import Document

DEFAULTS = ""
DEV = "dev"
"""Where they stand below this package."""


def shipped(folder: str = DEFAULTS) -> list[Document]:
    """Return the documents of a folder by name."""
    place = files(__name__) / folder if folder else files(__name__)
    found = [file.read_text("utf-8") for file in place.iterdir() if file.name.endswith(".yaml")]
    return sorted((yaml.safe_load(text) for text in found), key=lambda document: str(document["name"]))
