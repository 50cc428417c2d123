"""Demo records: generated from the word lists, coherent, and the same for the same size, seed and day.

All dates are counted from the day given, so that a demo always has deals closing this month and overdue
calls; two workspaces made on one day are equal. E-mail and web addresses end in `.example` (RFC 2606).
Phones are numbers set aside for fiction (555-0100 to 0199) or, where a country has none, numbers whose
subscriber part begins with 0, which no operator there hands out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any

from karvan_crm import words
from karvan_crm.words import Place, Words
from karvan_sdk import DemoRecords, DemoRef

SHARES = {"account": 0.12, "contact": 0.25, "lead": 0.10, "deal": 0.23}
"""The share of each object; activities take the rest."""
STAGES = {"prospecting": 12, "qualification": 16, "proposal": 15, "negotiation": 10, "won": 30, "lost": 17}
LOST_REASONS = {"price": 30, "competitor": 22, "no_budget": 16, "no_decision": 14, "timing": 12, "no_fit": 6}
SOURCES = {
    "website": 30,
    "referral": 20,
    "call": 12,
    "email": 12,
    "event": 10,
    "advertising": 8,
    "social": 5,
    "partner": 3,
}
ACCOUNT_TYPES = {"customer": 50, "prospect": 35, "partner": 9, "competitor": 3, "other": 3}
LEAD_STATUSES = {"new": 40, "working": 30, "qualified": 15, "unqualified": 15}
RATINGS = {"hot": 20, "warm": 45, "cold": 35}
ACTIVITY_TYPES = {"call": 34, "meeting": 18, "task": 24, "email": 16, "note": 8}
DOMAIN = "example"

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Company:
    """What the other records need to know of a made account."""

    number: int
    name: str
    words: Words
    place: Place
    domain: str
    industry: str
    contacts: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Sale:
    """What an activity needs to know of a made deal."""

    number: int
    company: Company
    contact: int | None
    opened_on: date
    closed_on: date | None


@dataclass(frozen=True, kw_only=True)
class Person:
    """A name with its Latin spelling, for addresses."""

    first: str
    last: str
    name: str
    login: str


def make_demo(*, size: int, seed: int, today: date) -> Iterator[DemoRecords]:
    """The records of a demo workspace, in an order in which every reference points to what was made before.

    Subsidiaries come in a batch of their own behind the accounts that they belong to.
    """
    random = Random(f"karvan-crm/{seed}")  # noqa: S311 - must be repeatable, guards nothing
    count = {name: max(1, round(size * share)) for name, share in SHARES.items()}
    companies: list[Company] = []
    taken: set[str] = set()
    alone = max(1, round(count["account"] * 0.9))
    heads = [make_account(random, companies, taken, today, parent=None) for _ in range(alone)]
    yield DemoRecords(object="account", records=heads)
    parents = tuple(companies)
    daughters = [
        make_account(random, companies, taken, today, parent=random.choice(parents))
        for _ in range(count["account"] - alone)
    ]
    if daughters:
        yield DemoRecords(object="account", records=daughters)
    contacts = [make_contact(random, companies, number, today) for number in range(count["contact"])]
    yield DemoRecords(object="contact", records=contacts)
    leads = [make_lead(random, words.ALL[number % len(words.ALL)]) for number in range(count["lead"])]
    yield DemoRecords(object="lead", records=leads)
    sales: list[Sale] = []
    deals = [make_deal(random, companies, sales, today) for _ in range(count["deal"])]
    yield DemoRecords(object="deal", records=deals)
    rest = max(1, size - sum(count.values()))
    activities = [make_activity(random, sales, count["lead"], today) for _ in range(rest)]
    yield DemoRecords(object="activity", records=activities)


def make_account(
    random: Random, companies: list[Company], taken: set[str], today: date, *, parent: Company | None
) -> Record:
    """One account; the languages take turns, a subsidiary speaks its parent's."""
    number = len(companies)
    language = parent.words if parent else words.ALL[number % len(words.ALL)]
    word, latin = random.choice(language.words)
    kind, industry = random.choice(language.kinds)
    place = random.choice(language.places)
    name = language.company.format(word=word, kind=kind, city=place.city)
    if name in taken:
        name = f"{name} {number + 1}"
    taken.add(name)
    company = Company(
        number=number, name=name, words=language, place=place, domain=f"{latin}-{number + 1}.{DOMAIN}",
        industry=industry,
    )  # fmt: skip
    companies.append(company)
    employees = round(5 * 10 ** random.uniform(0, 3))
    record: Record = {
        "name": name,
        "type": pick(random, ACCOUNT_TYPES),
        "industry": industry,
        "website": f"https://{company.domain}",
        "email": f"info@{company.domain}",
        "phone": make_phone(random, language.phone, place),
        "employees": employees,
        "annual_revenue": money(employees * random.randint(40, 260) * 1000),
        "year_founded": today.year - random.randint(1, 60),
        "country": place.country,
        "city": place.city,
        "address": language.street.format(
            street=random.choice(language.streets), number=random.randint(1, 190)
        ),
        "description": random.choice(language.about),
    }
    if parent:
        record["parent"] = DemoRef("account", parent.number)
    return record


def make_contact(random: Random, companies: Sequence[Company], number: int, today: date) -> Record:
    """One contact; every account gets one before any gets a second."""
    company = companies[number] if number < len(companies) else random.choice(companies)
    company.contacts.append(number)
    person = make_person(random, company.words)
    record: Record = {
        "name": person.name,
        "first_name": person.first,
        "last_name": person.last,
        "title": random.choice(company.words.titles),
        "account": DemoRef("account", company.number),
        "email": f"{person.login}.{number + 1}@{company.domain}",
        "phone": make_phone(random, company.words.phone, company.place),
        "country": company.place.country,
        "city": company.place.city,
    }
    if company.words.mobile and random.random() < 0.6:
        record["mobile"] = make_phone(random, company.words.mobile, company.place)
    if random.random() < 0.4:
        record["birthday"] = (today - timedelta(days=random.randint(22 * 366, 62 * 365))).isoformat()
    return record


def make_lead(random: Random, language: Words) -> Record:
    """One lead: a person and a company that are not among the accounts."""
    person = make_person(random, language)
    place = random.choice(language.places)
    word, latin = random.choice(language.words)
    kind, _ = random.choice(language.kinds)
    return {
        "first_name": person.first,
        "last_name": person.last,
        "name": person.name,
        "company": language.company.format(word=word, kind=kind, city=place.city),
        "title": random.choice(language.titles),
        "email": f"{person.login}@{latin}-{random.randint(1, 999)}.{DOMAIN}",
        "phone": make_phone(random, language.phone, place),
        "country": place.country,
        "city": place.city,
        "source": pick(random, SOURCES),
        "status": pick(random, LEAD_STATUSES),
        "rating": pick(random, RATINGS),
        "description": random.choice(language.enquiries),
    }


def make_deal(random: Random, companies: Sequence[Company], sales: list[Sale], today: date) -> Record:
    """One deal with one of its account's contacts. Its probability follows from its stage."""
    company = random.choice(companies)
    language = company.words
    contact = random.choice(company.contacts) if company.contacts else None
    stage = pick(random, STAGES)
    closed = stage in ("won", "lost")
    if closed:
        close_date = today - timedelta(days=int(random.triangular(1, 420, 30)))
        opened_on = close_date - timedelta(days=random.randint(5, 150))
    else:
        opened_on = today - timedelta(days=int(random.triangular(1, 160, 20)))
        # about one open deal in eight is late, as in life
        late = random.random() < 0.125 and opened_on < today - timedelta(days=10)
        away = -random.randint(1, 9) if late else random.randint(0, 120)
        close_date = today + timedelta(days=away)
    record: Record = {
        "name": f"{company.name} – {random.choice(language.topics)}",
        "account": DemoRef("account", company.number),
        "pipeline": "renewals" if random.random() < 0.2 else "sales",
        "stage": stage,
        "amount": money(round(10 ** random.uniform(2.7, 5.2), -1)),
        "opened_on": opened_on.isoformat(),
        "close_date": close_date.isoformat(),
        "source": pick(random, SOURCES),
    }
    if contact is not None:
        record["contact"] = DemoRef("contact", contact)
    if stage == "lost":
        record["lost_reason"] = pick(random, LOST_REASONS)
    if not closed and random.random() < 0.8:
        record["next_step"] = random.choice(language.steps)
    sales.append(
        Sale(
            number=len(sales), company=company, contact=contact, opened_on=opened_on,
            closed_on=close_date if closed else None,
        )
    )  # fmt: skip
    return record


def make_activity(random: Random, sales: Sequence[Sale], leads: int, today: date) -> Record:
    """One activity: mostly about a deal while it ran, else about a lead."""
    if random.random() < 0.85:
        sale = random.choice(sales)
        language, since, until = sale.company.words, sale.opened_on, sale.closed_on
        about: Record = {
            "account": DemoRef("account", sale.company.number),
            "deal": DemoRef("deal", sale.number),
        }
        if sale.contact is not None:
            about["contact"] = DemoRef("contact", sale.contact)
    else:
        number = random.randrange(leads)
        language, since, until = words.ALL[number % len(words.ALL)], today - timedelta(days=45), None
        about = {"lead": DemoRef("lead", number)}
    kind = pick(random, ACTIVITY_TYPES)
    record: Record = {"subject": random.choice(subjects(language, kind)), "type": kind, **about}
    yesterday = today - timedelta(days=1)
    # a note is never planned; nothing is planned for a deal that is over
    if until is None and kind != "note" and random.random() < 0.45:
        overdue = random.random() < 0.3 and since < yesterday
        day = (
            random_day(random, since, yesterday) if overdue else today + timedelta(days=random.randint(0, 30))
        )
        return {**record, "status": "planned", "due_at": moment(random, day)}
    day = random_day(random, since, min(until or yesterday, yesterday))
    due_at = moment(random, day)
    if kind != "note" and random.random() < 0.07:
        return {**record, "status": "canceled", "due_at": due_at}
    return {
        **record,
        "status": "done",
        "due_at": due_at,
        "done_at": due_at,
        "description": random.choice(language.outcomes),
    }


def subjects(language: Words, kind: str) -> tuple[str, ...]:
    """The subjects that fit a type of activity."""
    return {
        "call": language.calls,
        "meeting": language.meetings,
        "task": language.tasks,
        "email": language.mails,
        "note": language.notes,
    }[kind]


def make_person(random: Random, language: Words) -> Person:
    """A person whose surname fits the given name."""
    group = random.randrange(len(language.first))
    first, first_latin = random.choice(language.first[group])
    last, last_latin = random.choice(language.last[group])
    return Person(
        first=first,
        last=last,
        name=language.full_name.format(first=first, last=last),
        login=f"{first_latin}.{last_latin}",
    )


def make_address(random: Random, language: Words) -> str:
    """A street and a house number, in the order of the language."""
    return language.street.format(street=random.choice(language.streets), number=random.randint(1, 190))


def make_phone(random: Random, pattern: str, place: Place) -> str:
    """A phone number at a place that rings nowhere."""
    return pattern.format(area=place.area, n=random.randrange(100), m=random.randrange(100))


def pick(random: Random, weights: dict[str, int]) -> str:
    """One key, as often as its weight says."""
    return random.choices(tuple(weights), tuple(weights.values()))[0]


def random_day(random: Random, first: date, last: date) -> date:
    """A day from first to last, both included; the last when they stand the wrong way round."""
    return last - timedelta(days=random.randint(0, max(0, (last - first).days)))


def moment(random: Random, day: date) -> str:
    """A quarter of an hour in business time, in the JSON form."""
    at = datetime.combine(day, time(random.randint(6, 14), random.choice((0, 15, 30, 45))))
    return f"{at.isoformat()}Z"


def money(value: float) -> str:
    """An amount in the JSON form."""
    return f"{int(value)}.00"
