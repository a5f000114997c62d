"""The desk that seals a ledger: which folder, which key signs."""

from sealbook.adapters.eventstore.postgres import PostgresEventStore
from sealbook.adapters.keys.log_signer import LOG_KEY_LABEL, LogSigner, Pkcs11LogSigner
from sealbook.adapters.seal.checking import SealCheck
from sealbook.adapters.seal.desk import SealDesk, file_signer
from sealbook.adapters.seal.folder import SealFolder
from sealbook.adapters.seal.rows import LedgerRows
from sealbook.application.ports import LedgerDamaged
from sealbook.key_wiring import hsm_token
from sealbook.settings import Settings


def seal_desk(settings: Settings, store: PostgresEventStore) -> SealDesk:
    """Return the desk of an open ledger. No key is looked for before something is to be signed."""
    folder = SealFolder(settings.seal_folder)

    def signer_in_hsm(name: str, number: int, make: bool) -> LogSigner:
        # A key of its own for each log, as in files: tokens may be shared.
        token, label = hsm_token(settings), f"{LOG_KEY_LABEL}-{name}-{number}"
        if make:
            return Pkcs11LogSigner.create(token, name=name, label=label)
        return Pkcs11LogSigner.open(token, name=name, label=label)

    return SealDesk(
        folder=folder,
        store=store,
        rows=LedgerRows(store.connection),
        keys=store.keys,
        signer=file_signer(folder.path) if settings.pkcs11_module is None else signer_in_hsm,
    )


def seal_check(settings: Settings) -> SealCheck | None:
    """Return what compares a ledger with its seal; None where nothing is sealed in the folder."""
    folder = SealFolder(settings.seal_folder)
    return None if folder.checkpoint() is None else SealCheck(folder)


def found_seal(settings: Settings) -> tuple[str, str, bool]:
    """Return what doctor says of the seal: how far it is, and whether the folder agrees with itself."""
    folder = settings.seal_folder
    try:
        check = seal_check(settings)
        wrong = [] if check is None else list(check.of_the_log())
    except LedgerDamaged as error:
        return "seal", str(error), False
    if check is None:
        return "seal", f"{folder}: nothing is sealed yet", True
    return "seal", "; ".join(wrong) or f"{folder}: {check.size:,} events", not wrong
