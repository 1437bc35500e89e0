"""The trades that conversations come from: records with their fields, and goods. Read from a short table.

A line is `trade: description ; goods: a, b ; RECORD: field=kind, field=kind ; RECORD: …`. A kind is one
of `values.MAKERS`, `goods`, or the choices themselves, `a|b|c`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_TABLE = """
library: a town library ; goods: atlas, cookbook, crime novel, comic, travel guide, audio book, dictionary ; loan: status=on loan|overdue|returned|renewed, title=goods, due_date=date, branch=place, fine=money ; reservation: status=waiting|ready to collect|expired, title=goods, position=count, pickup_point=place
clinic: a health clinic ; goods: blood test, eye check, vaccination, X-ray, skin check, hearing test ; appointment: status=confirmed|cancelled|waiting|moved, day=date, time=time, doctor=person, room=code ; prescription: status=ready|being prepared|refused|sent, medicine=goods, pharmacy=place, refills=count
gym: a fitness club ; goods: yoga class, spinning class, sauna, swimming lane, personal training, climbing wall ; membership: status=active|paused|ended|unpaid, plan=basic|plus|family|student, renewal=date, monthly_fee=money ; booking: status=booked|full|cancelled, class=goods, trainer=person, start=time
bank: a savings bank ; goods: current account, savings plan, credit card, car loan, travel card ; transfer: status=done|pending|blocked|returned, amount=money, receiver=person, booked_on=date ; card: status=active|blocked|on its way|expired, limit=money, expiry=date, last_use=place
parcels: a parcel service ; goods: small parcel, pallet, letter, locker, insured parcel, express envelope ; parcel: status=in transit|delivered|at the depot|held by customs|lost, eta=date, depot=place, weight=1 kg|3.5 kg|12 kg|800 g, driver=person ; pickup: status=planned|done|missed, day=date, window=time, courier=person
school: a school office ; goods: bus pass, lunch plan, sports kit, music lesson, locker, school trip ; pupil: class=3B|5A|7C|9D, teacher=person, room=code, absences=count ; enrolment: status=accepted|waiting list|incomplete|refused, start=date, fee=money, contact=person
hotel: a small hotel ; goods: single room, double room, suite, family room, breakfast, parking place ; booking: status=confirmed|cancelled|requested|checked in, room=goods, arrival=date, nights=count, total=money ; invoice: status=paid|open|overdue, amount=money, due=date, issued_to=person
telecom: a telephone company ; goods: prepaid card, router, data plan, landline, roaming pack, fibre line ; contract: status=active|suspended|ended, plan=goods, data_left=2 GB|14 GB|500 MB|none, end_date=date, monthly_price=money ; fault: status=reported|being repaired|solved, area=place, technician=person, visit=date
energy: an electricity supplier ; goods: green tariff, night tariff, heat pump, wall box, solar panel ; meter: reading=18233 kWh|4410 kWh|905 kWh|77120 kWh, last_read=date, type=digital|analogue|smart, place=place ; bill: status=paid|open|reminded, amount=money, due=date, period=period
garden: a garden shop ; goods: watering can, rose bush, lawn mower, flower pot, hedge shears, bag of soil, apple tree ; delivery: status=packed|on the van|delivered|delayed, items=goods, day=date, driver=person, cost=money ; plant: name=goods, price=money, height=40 cm|1.2 m|15 cm, light=full sun|half shade|shade
museum: a museum of city history ; goods: day ticket, guided tour, audio guide, family ticket, workshop, catalogue ; ticket: status=valid|used|refunded, date=date, entry=time, visitors=count, price=money ; tour: status=open|full|cancelled, guide=person, start=time, meeting_point=place
bikes: a bike rental ; goods: city bike, e-bike, cargo bike, tandem, helmet, child seat ; rental: status=running|returned|late|reserved, bike=goods, station=place, end=time, cost=money ; repair: status=waiting for parts|ready|in the workshop, mechanic=person, ready_on=date, price=money
helpdesk: a software helpdesk ; goods: photo editor, invoice program, password manager, backup tool, mail client ; ticket: status=open|solved|waiting for you|escalated, product=goods, owner=person, last_update=date, priority=low|normal|high|urgent ; licence: status=valid|expired|unused, product=goods, seats=count, valid_until=date
airline: a regional airline ; goods: window seat, extra bag, lounge pass, meal, priority boarding ; flight: status=on time|delayed|boarding|cancelled, gate=code, departure=time, destination=place ; luggage: status=found|missing|on the next flight, last_seen=place, tag=code, delivery=date
theatre: a theatre box office ; goods: balcony seat, stalls seat, season ticket, gift card, programme ; order: status=paid|reserved|sent|cancelled, show=goods, evening=date, row=code, total=money ; seat: status=free|taken|on hold, row=code, price=money, view=full|restricted|good
vet: an animal practice ; goods: dental check, flea treatment, vaccination, microchip, nail trim ; patient: name=Rex|Luna|Mochi|Bella|Tiger, vet=person, last_visit=date, weight=3.2 kg|18 kg|640 g|27 kg ; result: status=ready|in the lab|sent, test=goods, taken_on=date, vet=person
insurance: an insurance office ; goods: travel cover, home cover, bicycle cover, dental cover, pet cover ; claim: status=received|under review|approved|rejected|paid, amount=money, handler=person, opened=date ; policy: status=active|lapsed|cancelled, cover=goods, premium=money, renewal=date
garage: a car workshop ; goods: winter tyres, brake pads, oil change, battery, wind screen, inspection ; job: status=waiting|in progress|finished|stopped, work=goods, mechanic=person, pickup=time, estimate=money ; car: model=Vento|Corsina|Alba 3|Trek, mileage=84,210 km|12,950 km|143,000 km, next_check=date, tyres=summer|winter|all season
restaurant: a restaurant ; goods: tomato soup, grilled fish, mushroom risotto, lemon cake, lentil curry, apple pie ; table: status=reserved|free|cancelled, guests=count, evening=date, time=time, area=terrace|window|main room ; takeaway: status=cooking|ready|picked up|on its way, dishes=goods, ready_at=time, total=money
cinema: a cinema ; goods: late show, 3D film, popcorn, matinee, premiere, double feature ; ticket: status=valid|refunded|used, film=goods, hall=code, start=time, price=money ; voucher: status=open|used|expired, amount=money, valid_until=date, owner=person
cleaning: a cleaning company ; goods: window cleaning, carpet wash, deep clean, ironing, oven cleaning ; visit: status=planned|done|cancelled|delayed, cleaner=person, day=date, start=time, price=money ; key: status=with us|returned|lost, holder=person, since=date, box=code
pharmacy: a pharmacy ; goods: cough syrup, eye drops, bandage, vitamin tablets, sun cream, thermometer ; prescription: status=ready|ordered|missing|collected, medicine=goods, shelf=code, collect_by=date ; order: status=packed|sent|waiting, items=goods, total=money, arrival=date
taxi: a taxi service ; goods: large car, airport ride, child seat, wheelchair ride, night ride ; ride: status=on the way|arrived|booked|cancelled, driver=person, pickup=place, eta=time, fare=money ; receipt: status=sent|open, amount=money, date=date, driver=person
council: a town council ; goods: parking permit, dog licence, passport, birth certificate, skip permit ; application: status=received|being checked|granted|refused, subject=goods, officer=person, decision=date, fee=money ; bin: type=paper|glass|garden|rest, next_collection=date, street=place, size=80 l|120 l|240 l
farm: a farm shop with vegetable boxes ; goods: potato sack, honey jar, egg box, goat cheese, pumpkin, apple juice ; box: status=packed|paused|delivered|skipped, contents=goods, day=date, stop=place, price=money ; subscription: status=active|paused|ended, size=small|medium|large, next_box=date, boxes_left=count
university: a university office ; goods: chemistry course, statistics course, library card, student card, exam ; course: status=open|full|closed, lecturer=person, room=code, start=date, credits=count ; application: status=complete|incomplete|accepted|refused, programme=goods, deadline=date, adviser=person
housing: a housing association ; goods: two-room flat, parking space, cellar, studio, roof flat, bicycle store ; repair: status=reported|planned|done|refused, craftsman=person, day=date, window=time, subject=goods ; flat: status=free|rented|reserved, rent=money, floor=count, size=38 m²|74 m²|102 m², caretaker=person
electronics: an electronics shop ; goods: headphones, laptop, phone case, camera, charger, printer, tablet ; order: status=paid|packed|on its way|delivered|returned, items=goods, arrival=date, total=money, carrier=person ; return: status=received|refunded|refused|waiting, item=goods, refund=money, paid_by=date
festival: a music festival ; goods: day ticket, camping spot, shuttle seat, locker, VIP pass ; ticket: status=valid|cancelled|scanned, type=goods, gate=code, price=money, holder=person ; shift: status=planned|done|free, helper=person, start=time, stand=place
swimming: a public swimming pool ; goods: swimming course, sauna evening, ten-visit card, aqua gym, locker ; course: status=open|full|running|over, coach=person, start=date, lane=count, price=money ; card: status=valid|empty|blocked, visits_left=count, valid_until=date, holder=person
tailor: a tailor's shop ; goods: wool coat, silk dress, linen shirt, zip repair, suit, curtain ; alteration: status=pinned|being sewn|ready|collected, piece=goods, ready_on=date, tailor=person, price=money ; fitting: status=booked|done|missed, day=date, time=time, tailor=person
camping: a camping site ; goods: tent pitch, wooden cabin, van place, canoe, fire bowl ; stay: status=booked|arrived|cancelled|paid, pitch=code, arrival=date, nights=count, total=money ; rental: status=out|back|reserved, item=goods, deposit=money, due=time
printing: a print shop ; goods: poster, flyer, business card, photo book, banner, sticker sheet ; job: status=in the queue|printing|ready|stopped, product=goods, copies=count, ready_on=date, price=money ; proof: status=sent|approved|rejected, designer=person, sent_on=date, pages=count
ferry: a ferry line ; goods: car place, cabin, deck ticket, bike ticket, dog cabin ; crossing: status=on time|delayed|cancelled|full, harbour=place, departure=time, ship=Skua|Northern Star|Halma|Petrel ; booking: status=paid|open|cancelled, passengers=count, day=date, total=money, cabin=code
charity: a charity ; goods: blanket, food parcel, winter coat, toy box, school bag ; donation: status=received|thanked|returned, amount=money, project=goods, given_on=date ; volunteer: status=registered|active|paused, team=place, leader=person, next_shift=date
"""


@dataclass(frozen=True, slots=True)
class Record:
    """A kind of record: its name and its fields with their kinds."""

    noun: str
    fields: tuple[tuple[str, str], ...]

    @property
    def plural(self) -> str:
        if self.noun.endswith("y"):
            return self.noun[:-1] + "ies"
        return self.noun + ("es" if self.noun.endswith(("s", "x", "ch", "sh")) else "s")


@dataclass(frozen=True, slots=True)
class Trade:
    """A trade: what it is, what it offers, what it keeps records of."""

    name: str
    description: str
    goods: tuple[str, ...]
    records: tuple[Record, ...]


def _record(text: str) -> Record:
    noun, _, rest = text.partition(":")
    pairs = (part.strip().partition("=") for part in _fields(rest))
    return Record(noun.strip(), tuple((name, kind.strip()) for name, _, kind in pairs))


def _fields(text: str) -> Iterator[str]:
    """Parts between commas; a comma within a choice (no `=` behind it) belongs to the choice."""
    held = ""
    for part in text.split(","):
        if "=" in part and held:
            yield held
            held = ""
        held = f"{held},{part}" if held else part
    yield held


def _trade(line: str) -> Trade:
    first, goods, *records = line.split(" ; ")
    name, _, description = first.partition(": ")
    things = tuple(part.strip() for part in goods.removeprefix("goods:").split(","))
    return Trade(name, description.strip(), things, tuple(map(_record, records)))


TRADES = tuple(_trade(line) for line in _TABLE.strip().splitlines())
