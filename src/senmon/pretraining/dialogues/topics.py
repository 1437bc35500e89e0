"""What articles are about. A sentence's `{slot:kind}` is a fact; `{noun}` and `{thing}` are the trade's."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SLOT = re.compile(r"\{(\w+):([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Topic:
    """Titles, and sentences each with the questions that it answers."""

    key: str
    titles: tuple[str, ...]
    points: tuple[tuple[str, tuple[str, ...]], ...]

    def slots(self, sentence: str) -> list[tuple[str, str]]:
        return _SLOT.findall(sentence)


# key | titles ; sentence = question / question ; …
_TABLE = """
open | Opening hours / When we are open ; We are open from {from:time} to {until:time}. = When are you open? / what are your hours / How late can I come? / When do you close? ; On Sundays we open at {sunday:time}. = Are you open on Sundays? / sunday hours? / When do you open on a Sunday?
pay | Payment / How to pay ; You can pay by card or in cash up to {cash:money}. = Can I pay in cash? / How much cash do you take? / is cash ok ; Bills are due within {due:period}. = When do I have to pay the bill? / How long do I have to pay?
late | Being late / Late fees ; A late {noun} costs {fee:money} a day. = What does it cost to be late? / Is there a late fee? / what if i am too late with my {noun} ; After {limit:period} we send a reminder. = When do I get a reminder? / how long until you remind me
cancelling | Cancelling a {noun} / How to cancel ; You can cancel free of charge until {free:period} before. = Until when can I cancel for free? / Can I cancel without paying? / free cancellation? ; Later we keep {keep:percent} of the price. = What do I pay if I cancel late? / How much do you keep when I cancel?
refund | Getting money back / Refunds ; Refunds take {days:period}. = How long does a refund take? / When do I get my money back? / refund time? ; The money goes back the way you paid. = How will I get my money back? / Where does my refund go?
park | Parking / Where to park ; Parking costs {price:money} an hour. = What does parking cost? / Do I have to pay for parking? / parking price ; There are {places:count} places behind the house. = How many parking places are there? / Where can I park? ; Bicycles stand in front of the door. = Where can I leave my bike? / bike stands?
join | Joining us / Becoming a member ; Membership costs {price:money} a year. = What does membership cost? / How much is it to join? ; You can leave with {notice:period} notice. = How do I end my membership? / What notice do I have to give?
card | A lost card / Lost cards ; A new card costs {price:money}. = I lost my card, what does a new one cost? / How much is a replacement card? ; Lost cards are blocked within {time:period}. = How fast is a lost card blocked? / when will my card be blocked
age | Children and age / Age limits ; Children under {age:count} come in free. = Do children pay? / Is it free for kids? / how old is a child ; Young people need a parent's signature. = Does my son need my signature? / What do young people need?
gift | Vouchers / Gift cards ; Vouchers are valid for {time:period}. = How long is a voucher valid? / When does my gift card expire? ; You can buy vouchers from {least:money}. = What is the smallest voucher? / From which amount can I buy a gift card?
post | Delivery / Shipping ; Delivery takes {days:period} and costs {cost:money}. = How long is delivery? / What does delivery cost? / shipping? ; From {free:money} delivery is free. = When is delivery free? / From what amount is shipping free? ; We deliver to {where:place} as well. = Do you deliver to other towns? / Where else do you deliver?
back | Returns / Giving things back ; You can bring things back within {days:period}. = How long can I return something? / Can I give it back? / return time ; Opened packs can't be taken back. = Can I return an opened pack? / do you take back opened things
deposit | Deposit / Leaving a deposit ; The deposit for a {thing} is {amount:money}. = How high is the deposit? / Do I have to leave a deposit? ; You get the deposit back after {time:period}. = When do I get the deposit back? / is the deposit returned
wait | Waiting list / When we are full ; On the waiting list you wait about {time:period}. = How long is the waiting list? / How long would I wait? ; We call you on {phone:phone} when a place is free. = How will you tell me about a free place? / From which number do you call?
bring | What to bring / Before you come ; Please bring your identity card and {sheets:count} photos. = What do I have to bring? / How many photos do you need? / which papers ; Come {early:period} early. = How early should I come? / When should I be there?
call | Telephone / Reaching us ; You reach us on {phone:phone}. = What's your phone number? / How can I call you? / telephone? ; The line is free from {from:time} on. = When can I call? / From what time do you pick up the phone? ; You can also write to {mail:email}. = What is your e-mail address? / Where can I write to?
where | Where we are / Finding us ; You find us at {place:place}. = Where are you? / What is your address? / how do i find you ; Bus {bus:count} stops at the door. = Which bus goes there? / How do I get there by bus?
group | Groups / Coming as a group ; Groups of {size:count} or more pay {less:percent} less. = Is there a group price? / How much do groups save? / how many people make a group ; Groups register with {who:person}. = Who registers groups? / Whom do we write to as a group?
student | Students / Prices for students ; Students pay {price:money}. = What do students pay? / student price? ; Show your student card at the desk. = How do I prove that I'm a student? / What do students show?
pets | Animals / Dogs and cats ; Dogs are welcome on a lead. = May I bring my dog? / are dogs allowed ; A dog costs {price:money} a day. = What does it cost to bring a dog? / how much for my dog
wheel | Access / Wheelchairs ; There is a lift to floor {floor:count}. = Is there a lift? / How high does the lift go? ; Carers come in free. = Does my carer pay? / Do I pay for a helper? ; The ramp is at {side:place}. = Where is the ramp? / How do I get in with a wheelchair?
found | Lost property / Things left behind ; Lost things are kept for {time:period}. = I left my jacket. How long do you keep it? / How long is lost property kept? ; Ask {who:person} for things that were found. = Who has the lost property? / Whom do I ask for my umbrella?
word | Password / Signing in ; A new password is sent to you within {time:period}. = I forgot my password, how long does it take? / When do I get a new password? ; It must have {length:count} letters or more. = How long must the password be? / What must a password look like?
data | Your data / Privacy ; We delete your data after {time:period}. = When do you delete my data? / How long do you keep my data? ; We never sell data. = Do you sell my data? / Who gets my data?
news | Newsletter / News by mail ; The newsletter comes every {time:period}. = How often does the newsletter come? / newsletter? ; New readers get {less:percent} off. = What do I get for the newsletter? / Is there a discount for readers?
fault | Faults and warranty / When something breaks ; The warranty lasts {time:period}. = How long is the warranty? / Do I have a guarantee? ; Damage by water is not covered. = It got wet, is that covered? / Does the warranty cover water?
price | Prices / What it costs ; A {thing} costs {price:money}. = What are your prices? / What does a {thing} cost? / how much is a {thing} ; Prices change on {day:date}. = When do the prices change? / Until when are these prices valid?
loyal | Points / Loyalty card ; You get {points:count} points for each visit. = How many points do I get? / points per visit? ; With {all:count} points one visit is free. = What can I do with my points? / How many points for a free visit?
fix | Repairs / Getting it mended ; A repair takes {time:period}. = How long does a repair take? / When is my repair done? ; Looking at it costs {price:money}. = What does it cost to have it looked at? / Is the inspection free?
food | Food and drink / Eating here ; The café closes at {close:time}. = When does the café close? / Can I eat here? ; Your own food is allowed outside. = May I bring my own food? / can i eat my sandwich
net | Wireless network / Internet ; The network is called {name:code}. = What is the name of the wifi? / Which network is yours? ; It is free for {time:period}. = How long is the wifi free? / Does the internet cost anything?
help | First visit / New here ; The first visit takes {time:period}. = How long is the first visit? / How much time do I need the first time? ; {who:person} shows you around. = Who shows me around? / Who takes care of new people?
rule | House rules / Rules ; Please be quiet after {time:time}. = When must it be quiet? / Until when can we be loud? ; Smoking is only allowed outside. = Can I smoke? / Where may I smoke?
move | Moving house / A new address ; Tell us your new address {time:period} before. = I'm moving, when do I have to tell you? / Do you need my new address? ; A change of address costs {price:money}. = What does it cost to change the address? / is a new address free
swap | Changing a {noun} / Changes ; A {noun} can be changed {often:count} times. = How often can I change my {noun}? / Can I change my {noun} again? ; Each change costs {price:money}. = What does a change cost? / Do I pay for changes?
stop | Holidays / When we are closed ; We are closed from {from:date} to {to:date}. = When are you closed? / Do you close for holidays? ; In that time call {phone:phone}. = Whom do I call when you are closed? / holiday number?
job | Working with us / Jobs ; We look for helpers from {from:date}. = Do you have jobs? / When can I start working for you? ; Helpers earn {pay:money} an hour. = What do I earn with you? / What do you pay helpers?
bill | Invoices / Your bill ; Bills come on the {day:count}th of each month. = When does my bill come? / On which day do you send bills? ; A bill on paper costs {price:money}. = Can I get the bill on paper? / What does a paper bill cost?
test | Trying out / A trial ; You can try it for {time:period}. = Can I try it out first? / How long is the trial? ; The trial ends by itself. = Do I have to cancel the trial? / What happens after the trial?
clean | Care / Cleaning a {thing} ; Clean it with warm water and no soap. = How do I clean it? / May I use soap? ; Let it dry for {time:period}. = How long must it dry after washing? / drying time?
size | Sizes / Finding the size ; Children need size {child:code}. = Which size for a child? / what size does my daughter need ; If in doubt take one size up. = I'm between two sizes, what now? / Larger or smaller?
green | Old things / Recycling ; Bring old batteries to {place:place}. = Where do old batteries go? / Can I bring batteries? ; We pay {price:money} for an old {thing}. = Do you take my old {thing}? / What do I get for an old {thing}?
safe | Safety / In an emergency ; In an emergency call {phone:phone}. = Whom do I call in an emergency? / emergency number? ; Meet at {place:place} if there is a fire. = Where do we meet if it burns? / meeting point?
rent | Renting / Borrowing a {thing} ; A {thing} can be borrowed for {time:period}. = How long can I borrow a {thing}? / For how long can I rent a {thing}? ; Each further day costs {price:money}. = What does another day of renting cost? / price per extra day of renting
"""


def _topic(line: str) -> Topic:
    head, *points = line.split(" ; ")
    key, _, titles = head.partition(" | ")
    pairs = []
    for point in points:
        sentence, _, questions = point.partition(" = ")
        pairs.append((sentence.strip(), tuple(each.strip() for each in questions.split(" / "))))
    return Topic(key, tuple(each.strip() for each in titles.split(" / ")), tuple(pairs))


TOPICS = tuple(_topic(line) for line in _TABLE.strip().splitlines())
