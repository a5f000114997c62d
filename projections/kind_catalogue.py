"""How do the kinds of credential differ, and which of them serves a purpose? (domain rules R02-R08, R14-R20, R36-R42)

One row an attribute, one cell a kind, each line in English and Korean. Nothing here decides: the documents do.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from sealbook.domain.calendar import Period
from sealbook.domain.kind_document import KindBook, KindDocument, Words
from sealbook.domain.policy_document import RenewalPolicy
from sealbook.domain.values import HolderKind, Kind, StorageLevel, UnlockMethod

Cell = tuple[Words, ...]
"""The lines of a cell; one without lines says that there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one attribute is for each kind."""

    attribute: str
    label: Words
    cells: Mapping[Kind, Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A kind, the purposes that it serves, and the renewal policy that it names, if that is known."""

    kind: KindDocument
    purposes: Cell
    policy: RenewalPolicy | None


def kind_catalogue(book: KindBook, policies: Mapping[str, RenewalPolicy]) -> tuple[Row, ...]:
    """Return every attribute of every kind. `policies` holds what is known of those that they name, by id."""
    shown = {
        kind: Shown(
            kind=document,
            purposes=tuple(each.name for each in book.bank.purposes.values() if each.area in document.scope),
            policy=policies.get(document.policy or ""),
        )
        for kind, document in book.kinds.items()
    }
    return tuple(
        Row(attribute=attribute, label=Words(en=en, ko=ko), cells={kind: read(each) for kind, each in shown.items()})
        for attribute, (en, ko, read) in _ATTRIBUTES.items()
    )


def kinds_for(book: KindBook, purpose: str) -> tuple[Kind, ...]:
    """Return the kinds that may be used for a purpose; none for one that is not known (domain rules R08, R20)."""
    return tuple(kind for kind, document in book.kinds.items() if book.serves(document, purpose))


# --- Lines


def _listed(chosen: Collection[str]) -> Cell:
    """Return names in the order of the vocabulary, whatever the order of the set."""
    return tuple(words for name, words in VOCABULARY.items() if name in chosen)


def _joined(parts: Iterable[Words], *, by: str = ", ") -> Cell:
    """Return one line of several; no line of none."""
    held = tuple(parts)
    return (Words(en=by.join(each.en for each in held), ko=by.join(each.ko for each in held)),) if held else ()


def _same(text: str) -> Words:
    return Words(en=text, ko=text)


def _of(holder: HolderKind, words: Words) -> Words:
    name = VOCABULARY[holder]
    return Words(en=f"{name.en}: {words.en}", ko=f"{name.ko}: {words.ko}")


def _holders(kind: KindDocument) -> list[HolderKind]:
    """Return who may hold a kind, persons first."""
    eligible = {subkind.kind for subkind in kind.eligible}
    return [holder for holder in HolderKind if holder in eligible]


def _by_holder(kind: KindDocument, words: Callable[[HolderKind], Words]) -> Cell:
    """Return a line for each sort of holder, or one where all have the same."""
    lines = {holder: words(holder) for holder in _holders(kind)}
    same = len(set(lines.values())) == 1
    return tuple(lines.values())[:1] if same else tuple(_of(holder, line) for holder, line in lines.items())


def _won(amount_krw: int) -> Words:
    return Words(en=f"{amount_krw:,} KRW", ko=f"{amount_krw:,}원") if amount_krw else Words(en="free", ko="무료")


def _fee(kind: KindDocument, amount_krw: Callable[[HolderKind], int]) -> Cell:
    return _by_holder(kind, lambda holder: _won(amount_krw(holder)))


def _length(period: Period) -> Words:
    """Return a period in words; one of no time is told in days."""
    years, months = divmod(period.months, 12)
    parts = [(years, "year", "년"), (months, "month", "개월"), (period.days, "day", "일")]
    told = [part for part in parts if part[0]] or parts[-1:]
    return Words(
        en=" ".join(f"{count} {unit}" if count == 1 else f"{count} {unit}s" for count, unit, _ in told),
        ko=" ".join(f"{count}{unit}" for count, _, unit in told),
    )


def _truth(value: bool) -> Words:
    return Words(en="yes", ko="예") if value else Words(en="no", ko="아니요")


# --- Cells that take more than a look


def _steps(shown: Shown) -> Cell:
    def path(holder: HolderKind) -> Words:
        (line,) = _joined((VOCABULARY[step] for step in shown.kind.path(holder, fresh=False)), by=" > ")
        return line

    return _by_holder(shown.kind, path)


def _steps_again(shown: Shown) -> Cell:
    steps = shown.kind.steps
    path = _joined((VOCABULARY[step] for step in steps.again), by=" > ")
    fresh = _length(steps.fresh_for)
    return (
        *path,
        Words(en=f"if identity was proved within {fresh.en}", ko=f"{fresh.ko} 이내에 본인 확인을 한 경우"),
    )


def _policy(shown: Shown) -> Cell:
    if shown.kind.policy is None:
        return (Words(en="none: an issue must name one", ko="없음: 발급할 때 지정"),)
    return (_same(shown.kind.policy if shown.policy is None else str(shown.policy.ref)),)


def _renewal(shown: Shown) -> Cell:
    policy = shown.policy
    if policy is None:
        return (Words(en="as the policy says", ko="정책에 따름"),)
    waited = _length(policy.eligible_after) if policy.eligible_after is not None else None
    match policy.renew_on, waited:
        case "use", Words(en=en, ko=ko):
            return (Words(en=f"by itself, at a use after {en}", ko=f"{ko} 경과 후 이용 시 자동"),)
        case "expiry", Words(en=en, ko=ko):
            return (Words(en=f"by itself, at its end; possible after {en}", ko=f"만료 시 자동({ko} 경과 후 가능)"),)
        case "request", _:
            return (Words(en="on request", ko="신청 시"),)
        case _:
            return (Words(en="never", ko="갱신 없음"),)


def _request_window(shown: Shown) -> Cell:
    if shown.policy is None or shown.policy.request_window is None:
        return ()
    window = _length(shown.policy.request_window)
    return (Words(en=f"the last {window.en}", ko=f"만료 전 {window.ko}"),)


def _lockout(shown: Shown) -> Cell:
    soft, hard = shown.kind.lockout.soft, shown.kind.lockout.hard
    return (
        Words(en=f"{soft} wrong in a row: until identified again", ko=f"연속 {soft}회 오류: 본인 재확인까지"),
        Words(en=f"{hard}: for good", ko=f"{hard}회: 영구 잠금"),
    )


def _unlocking(shown: Shown) -> Cell:
    digits, others = shown.kind.unlocking.pin_digits, shown.kind.unlocking.methods - {UnlockMethod.PIN}
    return _joined((Words(en=f"PIN of {digits} digits", ko=f"비밀번호 {digits}자리"), *_listed(others)))


def _storage(shown: Shown) -> Cell:
    storage = shown.kind.storage
    if storage.level_min is StorageLevel.NONE:
        return (VOCABULARY[storage.place],)
    level = VOCABULARY[storage.level_min]
    return (VOCABULARY[storage.place], Words(en=f"at least: {level.en}", ko=f"최소 수준: {level.ko}"))


def _services(shown: Shown) -> Cell:
    linking = shown.kind.linking
    sets = {HolderKind.PERSONAL: linking.services_personal, HolderKind.CORPORATE: linking.services_corporate}
    return tuple(_of(holder, words) for holder, services in sets.items() for words in _joined(_listed(services)))


def _phishing(shown: Shown) -> Cell:
    if shown.kind.phishing_resistant or "totp" in shown.kind.proofs:
        return (_truth(shown.kind.phishing_resistant),)
    return (Words(en="not shown", ko="확인되지 않음"),)


def _on_device(shown: Shown) -> Cell:
    asked = shown.kind.on_device
    return _listed(
        {
            f"lock_screen.{asked.lock_screen}",
            f"rooted.{asked.rooted}",
            f"public_wifi.{asked.public_wifi}",
            f"app_update.{asked.app_update_resets}",
        }
    )


def _application(shown: Shown) -> Cell:
    steps = shown.kind.steps
    opened = _length(steps.open_for)
    return (
        Words(en=f"open for {opened.en}", ko=f"{opened.ko} 동안 유효"),
        Words(en=f"{steps.attempts_max} attempts a step", ko=f"단계마다 {steps.attempts_max}회 시도"),
        Words(
            en=f"account code: {steps.account_code_minutes} min", ko=f"계좌 인증번호: {steps.account_code_minutes}분"
        ),
    )


def _versions(kind: KindDocument) -> Words:
    own, fees = kind.version, kind.fees.version
    return Words(en=f"version {own}, fees {fees}", ko=f"{own}판, 수수료표 {fees}판")


_ATTRIBUTES: dict[str, tuple[str, str, Callable[[Shown], Cell]]] = {
    "summary": ("What it is", "개요", lambda s: (s.kind.summary,)),
    "eligible": ("Who may hold it", "발급 대상", lambda s: _listed(s.kind.eligible)),
    "holder_distinction": ("Personal/corporate", "개인/기업 구분", lambda s: (s.kind.holder_distinction,)),
    "membership": ("Membership needed", "필요한 가입", lambda s: _listed(s.kind.membership)),
    "scope": ("Where it is used", "이용 범위", lambda s: _joined(_listed(s.kind.scope))),
    "purposes": ("Used to", "용도", lambda s: _joined(s.purposes)),
    "issuer": ("Issuer", "발급 기관", lambda s: (_same(s.kind.issuer),)),
    "prerequisites": ("Prepare", "준비물", lambda s: s.kind.prerequisites),
    "steps": ("Steps of issue", "발급 절차", _steps),
    "steps_again": ("Steps of a reissue", "재발급 절차", _steps_again),
    "documents": ("ID documents", "인정 신분증", lambda s: _listed(s.kind.steps.documents)),
    "application": ("Application", "신청", _application),
    "issue_fee": ("Fee of issue", "발급 수수료", lambda s: _fee(s.kind, s.kind.fees.of_issue_krw)),
    "renewal_fee": ("Fee of renewal", "갱신 수수료", lambda s: _fee(s.kind, s.kind.fees.of_renewal_krw)),
    "security_method": ("Security", "보안 방식", lambda s: (s.kind.security_method,)),
    "storage": ("Stored in", "저장 위치", _storage),
    "unlocking": ("Unlocked by", "잠금 해제", _unlocking),
    "proofs": ("Proof of a use", "인증 수단", lambda s: _listed(s.kind.proofs)),
    "phishing_resistant": ("Resists phishing", "피싱 저항성", _phishing),
    "lockout": ("Lockout", "오류 잠금", _lockout),
    "validity": ("Validity", "유효기간", lambda s: (s.kind.validity,)),
    "policy": ("Renewal policy", "갱신 정책", _policy),
    "renewal": ("Renewed", "갱신", _renewal),
    "request_window": ("Renew in", "갱신 신청 기간", _request_window),
    "notices": ("Notices before end", "만료 전 안내", lambda s: _joined(_length(lead) for lead in s.kind.notice_leads)),
    "devices_max": ("Devices a person", "1인 기기 수", lambda s: (_same(str(s.kind.devices_per_person_max)),)),
    "moves": ("Keeps on a new phone", "기기 교체 후 유지", lambda s: (_truth(s.kind.storage.moves),)),
    "ids_max": ("IDs linked", "연결 ID 수", lambda s: (_same(str(s.kind.linking.ids_max)),)),
    "services": ("Services linked", "연결 서비스", _services),
    "name_bound": ("Ends if name changes", "개명 시 폐지", lambda s: (_truth(s.kind.name_bound),)),
    "suspension_max": ("Suspended for at most", "최대 정지 기간", lambda s: (_length(s.kind.suspension_max),)),
    "app_version_min": ("App at least", "최소 앱 버전", lambda s: (_same(s.kind.on_device.app_version_min),)),
    "stores": ("App from", "앱스토어", lambda s: tuple(_same(store) for store in sorted(s.kind.on_device.stores))),
    "on_device": ("On the phone", "기기 조건", _on_device),
    "advisories": ("Beware", "주의사항", lambda s: s.kind.advisories),
    "details_url": ("Details", "상세 정보", lambda s: (_same(str(s.kind.details_url)),)),
    "help_url": ("Help", "도움말", lambda s: (_same(str(s.kind.help_url)),)),
    "version": ("Document", "문서", lambda s: (_versions(s.kind),)),
}

VOCABULARY: dict[str, Words] = {
    name: Words(en=en, ko=ko)
    for name, en, ko in (
        ("personal", "personal", "개인"),
        ("corporate", "corporate", "기업"),
        ("individual", "individuals", "개인"),
        ("sole_proprietor", "sole proprietors", "개인사업자"),
        ("corporation", "corporations", "법인"),
        ("association", "associations", "임의단체"),
        ("finance", "finance", "금융"),
        ("egov", "e-government", "전자정부"),
        ("commerce", "other electronic commerce", "그 밖의 전자거래"),
        ("internet_banking", "internet banking", "인터넷뱅킹"),
        ("personal_banking", "personal banking", "개인뱅킹"),
        ("corporate_banking", "corporate banking", "기업뱅킹"),
        ("electronic_government", "e-government", "전자정부"),
        ("phone", "phone", "휴대폰"),
        ("id_document", "ID document", "신분증"),
        ("account", "account", "계좌"),
        ("fee", "fee", "수수료"),
        ("key", "key", "키 생성"),
        ("resident_card", "resident card", "주민등록증"),
        ("driving_license", "driving license", "운전면허증"),
        ("passport", "passport", "여권"),
        ("alien_card", "alien card", "외국인등록증"),
        ("mobile_resident_card", "mobile resident card", "모바일 주민등록증"),
        ("device_secure_area", "the phone's secure area", "기기 내 안전 영역"),
        ("cloud", "cloud", "클라우드"),
        ("device_or_removable", "phone or removable medium", "기기 또는 이동식 매체"),
        ("software", "software", "소프트웨어"),
        ("trusted_environment", "trusted environment", "신뢰 실행 환경"),
        ("secure_element", "secure element", "보안 요소"),
        ("pattern", "pattern", "패턴"),
        ("fingerprint", "fingerprint", "지문"),
        ("face", "face", "얼굴"),
        ("totp", "one-time code", "일회용 비밀번호"),
        ("signature", "signature", "전자서명"),
        ("lock_screen.advise", "strong lock screen advised", "강력한 잠금 화면 권장"),
        ("lock_screen.require", "strong lock screen required", "강력한 잠금 화면 필수"),
        ("rooted.advise", "rooted phone advised against", "루팅 기기 비권장"),
        ("rooted.refuse", "rooted phone refused", "루팅 기기 거절"),
        ("public_wifi.warn", "warned on public Wi-Fi", "공용 와이파이 경고"),
        ("public_wifi.refuse", "refused on public Wi-Fi", "공용 와이파이 거절"),
        ("app_update.keys_lost", "new setup if an update loses the keys", "업데이트로 키를 잃으면 재설정"),
        ("app_update.always", "new setup after each update", "업데이트마다 재설정"),
        ("app_update.never", "no new setup after an update", "업데이트 후 재설정 없음"),
    )
}
