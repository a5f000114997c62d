"""Signed notes, checkpoints and policies: what others published, what is refused, and what nobody can tell."""

import base64
import json

import pytest

from sealbook_verify.checkpoint import Checkpoint, open_checkpoint
from sealbook_verify.notes import check_signature, read_note, read_vkey
from sealbook_verify.policy import read_policy
from sealbook_verify.verdict import BadInput, CannotTell, Disproved
from tests.verify.producer import AUDIT, COSIGNED_AT, LOG, POLICY, REGULATOR, ZEROS, Signer, signed
from tests.verify.verifying import vectors

TEXT = f"{LOG.name}\n5\n{base64.b64encode(ZEROS).decode()}\n"
STRANGER = Signer("stranger.example", 9, 4)


def opened(note: str, quorum: str = "quorum none", *, witnesses: int = 0) -> Checkpoint:
    return open_checkpoint(note, read_policy(f"{POLICY}{quorum}\n".encode()), witnesses=witnesses)


def test_the_notes_of_another_implementation_verify() -> None:
    read = json.loads((vectors("note") / "golang_note_vectors.json").read_text(encoding="utf-8"))
    text, signatures = read_note(read["text"] + "\n" + read["peter_sig"] + read["enoch_sig"])

    assert text == read["text"]
    keys = [read_vkey(read["vkeys"][name]) for name in ("peter", "enoch")]
    assert [check_signature(key, text, each) for key, each in zip(keys, signatures, strict=True)] == [None, None]
    with pytest.raises(Disproved):
        check_signature(keys[0], text + "\n", signatures[0])


def test_the_bad_keys_of_another_implementation_are_refused() -> None:
    read = json.loads((vectors("note") / "golang_note_vectors.json").read_text(encoding="utf-8"))

    for each in read["bad_vkeys"]:
        with pytest.raises(BadInput):
            read_vkey(each)


def test_the_checkpoints_of_another_implementation_verify() -> None:
    folder = vectors("tessera-log") / "testdata"
    vkey = (folder / "verifier-key.txt").read_text(encoding="utf-8").strip()
    policy = read_policy(f"log {vkey}\nquorum none\n".encode())
    notes = [path.read_text(encoding="utf-8") for path in sorted((folder / "log").glob("checkpoint*"))]

    assert sorted(open_checkpoint(each, policy).size for each in notes) == [*range(16), 15]
    with pytest.raises(Disproved):
        open_checkpoint(notes[0].replace("\n15\n", "\n14\n"), policy)


def test_a_checkpoint_says_who_signed_and_who_cosigned_when() -> None:
    read = opened(signed(TEXT, LOG, AUDIT, REGULATOR), "group two all audit regulator\nquorum two", witnesses=2)

    assert (read.origin, read.size, read.root) == (LOG.name, 5, ZEROS)
    assert read.cosigned == ((AUDIT.name, COSIGNED_AT), (REGULATOR.name, COSIGNED_AT))


@pytest.mark.parametrize(
    ("quorum", "enough"),
    [
        ("quorum none", True),
        ("quorum audit", True),
        ("quorum regulator", False),
        ("group any any audit regulator\nquorum any", True),
        ("group all all audit regulator\nquorum all", False),
        ("group g 2 audit regulator\nquorum g", False),
        ("group inner any audit\ngroup outer all inner\nquorum outer", True),
        ("group inner any audit\ngroup outer all inner regulator\nquorum outer", False),
    ],
)
def test_one_witness_of_two_is_a_quorum_as_the_policy_says(quorum: str, *, enough: bool) -> None:
    note = signed(TEXT, LOG, AUDIT)

    if enough:
        assert opened(note, quorum).cosigned == ((AUDIT.name, COSIGNED_AT),)
    else:
        with pytest.raises(CannotTell):
            opened(note, quorum)


def test_more_witnesses_may_be_asked_for_than_the_policy_does() -> None:
    assert len(opened(signed(TEXT, LOG, AUDIT), witnesses=1).cosigned) == 1
    with pytest.raises(CannotTell):
        opened(signed(TEXT, LOG, AUDIT), witnesses=2)


@pytest.mark.parametrize(
    "note",
    [
        signed(TEXT, LOG, STRANGER),
        signed(TEXT, AUDIT),
        signed(TEXT, Signer(LOG.name, 7)),
        signed(TEXT, Signer("another.example", 1)),
        signed(TEXT, LOG, Signer(AUDIT.name, 2, 1)),
    ],
)
def test_of_a_signature_by_an_unknown_key_or_none_by_the_log_nobody_can_tell(note: str) -> None:
    with pytest.raises(CannotTell):
        opened(note)


def test_a_signature_under_another_text_or_time_is_disproved() -> None:
    note = signed(TEXT, LOG, AUDIT)
    line = AUDIT.line(TEXT, COSIGNED_AT)
    raw = base64.b64decode(line.split(" ")[2])
    later = base64.b64encode(raw[:11] + bytes([raw[11] ^ 1]) + raw[12:]).decode()
    never = base64.b64encode(raw[:4] + b"\xff" + raw[5:]).decode()

    for wrong in (
        note.replace("\n5\n", "\n6\n"),
        note.replace(line, f"— {AUDIT.name} {later}\n"),
        note.replace(line, f"— {AUDIT.name} {never}\n"),
        note.replace(line, f"— {AUDIT.name} {base64.b64encode(raw[:20]).decode()}\n"),
        note.replace(line, AUDIT.line(TEXT, 1 << 63)),
    ):
        with pytest.raises(Disproved):
            opened(wrong)


def test_a_log_does_not_sign_for_another() -> None:
    other = Signer("other.example", 5)
    policy = read_policy(f"{POLICY}log {other.vkey}\nquorum none\n".encode())

    with pytest.raises(CannotTell):
        open_checkpoint(signed(TEXT, other), policy)
    with pytest.raises(Disproved):
        open_checkpoint(signed(TEXT, LOG, other), policy)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        TEXT,
        TEXT + "\n",
        signed(TEXT, LOG)[:-1],
        signed(TEXT, LOG) + "\n",
        signed(TEXT, LOG) + LOG.line(TEXT),
        signed(TEXT, LOG).replace("— ", "- "),
        signed(TEXT, LOG).replace("\n", "\r\n"),
        signed(TEXT + "an extension\n", LOG),
        signed(f"{LOG.name}\n5\n", LOG),
        signed(TEXT.replace("\n5\n", "\n05\n"), LOG),
        signed(TEXT.replace("\n5\n", "\n-5\n"), LOG),
        signed(TEXT.replace("\n5\n", f"\n{'9' * 5000}\n"), LOG),
        signed(TEXT.replace("\n5\n", "\n٥\n"), LOG),
        signed(TEXT.replace("AAA=", "AAB="), LOG),
        signed(TEXT.replace("AAA=", "AAA"), LOG),
        signed(TEXT.replace("AAAA", "", 1), LOG),
        signed("\n" + TEXT, LOG),
        signed(TEXT.replace(LOG.name, "bank\tledger"), LOG),
        signed(TEXT, LOG) + AUDIT.line(TEXT).replace("audit", "au\x1bdit"),
        f"{TEXT}\n— {LOG.name} AAAA\n",
        f"{TEXT}\n— {LOG.name}\n",
        f"{TEXT}\n—  AAAAAAAA\n",
    ],
)
def test_what_is_no_checkpoint_or_not_in_its_one_form_is_bad_input(note: str) -> None:
    with pytest.raises(BadInput):
        opened(note)


# --- Policies


def test_a_policy_may_have_comments_blank_lines_tabs_addresses_and_any_names() -> None:
    text = (
        f"# whom we trust\n\n \t log\t{LOG.vkey}  https://log.example\nwitness 감사 {AUDIT.vkey} https://a\nquorum 감사"
    )

    policy = read_policy(text.encode())

    assert [each.name for each in policy.logs] == [LOG.name]
    assert policy.satisfied_by([policy.witnesses["감사"]])
    assert not policy.satisfied_by([])


@pytest.mark.parametrize(
    "text",
    [
        "",
        POLICY,
        "quorum none\n",
        f"witness a {AUDIT.vkey}\nquorum a\n",
        f"{POLICY}quorum none\nquorum none\n",
        f"{POLICY}quorum nobody\n",
        f"quorum audit\n{POLICY}",
        f"{POLICY}log {LOG.vkey}\nquorum none\n",
        f"{POLICY}witness again {AUDIT.vkey}\nquorum none\n",
        f"{POLICY}witness audit {STRANGER.vkey}\nquorum none\n",
        f"{POLICY}witness none {STRANGER.vkey}\nquorum none\n",
        f"{POLICY}witness log {LOG.vkey}\nquorum none\n",
        f"{POLICY}log {STRANGER.vkey}\nquorum none\n",
        f"{POLICY}log {LOG.vkey[:-4]}\nquorum none\n",
        f"{POLICY}log name\nquorum none\n",
        f"{POLICY}group g 0 audit\nquorum g\n",
        f"{POLICY}group g 3 audit regulator\nquorum g\n",
        f"{POLICY}group g all\nquorum g\n",
        f"{POLICY}group g some audit\nquorum g\n",
        f"{POLICY}group g ² audit regulator\nquorum g\n",
        f"{POLICY}group g all audit audit\nquorum g\n",
        f"{POLICY}group g all g\nquorum g\n",
        f"{POLICY}group g all none\nquorum g\n",
        f"{POLICY}group g any audit\ngroup h any audit\nquorum h\n",
        f"{POLICY}quorum none\r\n",
        f"{POLICY}quorum none\nhello\n",
        f"{POLICY}quorum\n",
    ],
)
def test_a_policy_that_does_not_say_clearly_whom_to_trust_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="policy"):
        read_policy(text.encode())
