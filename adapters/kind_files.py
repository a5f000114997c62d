"""Kinds of credential of a bank's own: TOML files in a folder, one a kind, and bank.toml."""

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from sealbook.domain.kind_document import BankDocument, KindBook, KindDocument
from sealbook.domain.presets import preset_kinds
from sealbook.domain.values import Kind

BANK = "bank.toml"
Document = TypeVar("Document", bound=BaseModel)


class BadKinds(Exception):
    """A folder of kinds that cannot be used. The message names the file and what is wrong in it."""


def read_kinds(folder: Path) -> KindBook:
    """Return the kinds of a folder.

    A kind without a file is not issued; what is held of it goes on by the package's document. Without
    bank.toml, the package's holds.

    Raises BadKinds.
    """
    found = [kind for kind in Kind if (folder / f"{kind}.toml").exists()]
    if not found:
        names = ", ".join(f"{kind}.toml" for kind in Kind)
        raise BadKinds(f"{folder} holds no kind: put files there that are called {names}")
    kinds = {kind: _read(folder / f"{kind}.toml", KindDocument) for kind in found}
    for kind, document in kinds.items():
        if document.kind is not kind:
            raise BadKinds(f"{folder / f'{kind}.toml'} speaks of a {document.kind}: name the file by its kind")
    bank = folder / BANK
    presets = preset_kinds()
    return KindBook(
        kinds=kinds,
        bank=_read(bank, BankDocument) if bank.exists() else presets.bank,
        withdrawn={kind: document for kind, document in presets.kinds.items() if kind not in kinds},
    )


def _read(path: Path, document: type[Document]) -> Document:
    try:
        return document.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadKinds(f"{path} cannot be read: {(error.strerror or 'unknown').lower()}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadKinds(f"{path} is no TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BadKinds(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
