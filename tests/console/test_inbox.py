"""Inbox and hand-over, as people and visitors meet."""

from __future__ import annotations

from collections.abc import Callable

from console_rig import HOSTILE, Person
from server_rig import Site


def talk(site: Site, text: str) -> str:
    conversation = site.conversation()
    run = site.say(conversation, text).json()["run_id"]
    site.events(run)
    return conversation


def test_a_person_takes_over_answers_and_gives_back(site: Site, signed: Callable[[str], Person]) -> None:
    conversation, agent = talk(site, "hello there"), signed("agent")
    assert "You can send it back" in agent.get(f"/console/inbox/{conversation}").text
    at = f"/console/inbox/{conversation}"
    assert agent.post(f"{at}/take").status_code == 303
    assert site.client.get(f"/v1/conversations/{conversation}").json()["handover"]["agent"] == "Agent"
    site.say(conversation, "is anybody there?", "2")
    assert agent.post(f"{at}/say", text="Yes, I am.").status_code == 303
    last = site.client.get(f"/v1/conversations/{conversation}").json()["messages"][-1]
    assert (last["text"], last["author"]) == ("Yes, I am.", {"kind": "agent", "name": "Agent"})
    other = signed("owner").post(f"{at}/say", text="Me too.")
    assert other.status_code == 409 and "Agent answers here" in other.text
    assert agent.post(f"{at}/return").status_code == 303
    assert site.client.get(f"/v1/conversations/{conversation}").json()["handover"]["status"] == "none"
    site.events(site.say(conversation, "hello again", "3").json()["run_id"])
    entries = site.call(site.workspace.store.audit.entries(who="agent", most=4))
    what = [(each.what, each.subject) for each in entries if each.what != "signed in"]
    assert what == [(words, conversation) for words in ("gave back", "answered", "took over")]


def test_search_finds_what_anybody_said(site: Site, signed: Callable[[str], Person]) -> None:
    plum = talk(site, "Do you sell plum trees, 樹木 or 50% off?")
    talk(site, "broken thing")
    person = talk(site, "person please")
    reader = signed("reviewer")

    def found(**query: str) -> str:
        return reader.client.get("/console/inbox/list", params=query).text

    for words in ("PLUM tree", "樹木", "50% o"):
        assert plum in found(q=words)
    assert person not in found(q="plum") and plum not in found(q="plum_tree")
    assert plum in found(q="within 30") and person in found(q="passing this on")
    assert person in found(outcome="waiting") and plum not in found(outcome="waiting")
    assert plum in found(pack="shop") and plum not in found(pack="garden")
    assert plum not in found(q="messages") and plum not in found(q="content")


def test_who_waits_for_a_person_comes_first_the_longest_on_top(
    site: Site, signed: Callable[[str], Person]
) -> None:
    calm = talk(site, "an early zebra")
    waiting = [talk(site, "person please, a zebra waits") for _ in range(2)]
    later = talk(site, "a late zebra")
    listed = signed("agent").client.get("/console/inbox/list", params={"q": "zebra"}).text
    order = sorted((*waiting, calm, later), key=lambda id: listed.index(f'id="c-{id}"'))
    assert order == [*waiting, later, calm]
    assert all(listed.count(f'id="c-{id}"') == 1 for id in order)
    assert signed("agent").post(f"/console/inbox/{waiting[0]}/take").status_code == 303
    listed = signed("agent").client.get("/console/inbox/list", params={"q": "zebra"}).text
    assert listed.index(waiting[1]) < listed.index(later), "who is answered waits no more"
    assert waiting[0] in listed and listed.index(waiting[1]) < listed.index(waiting[0])


def test_what_is_unchanged_is_not_sent_again(site: Site, signed: Callable[[str], Person]) -> None:
    conversation, reader = talk(site, "hello"), signed("reviewer")
    part = reader.get(f"/console/inbox/{conversation}/thread").text
    seen = part.split("seen=")[1].split('"')[0]
    assert reader.get(f"/console/inbox/{conversation}/thread?seen={seen}").status_code == 204
    site.events(site.say(conversation, "hello again", "2").json()["run_id"])
    assert reader.get(f"/console/inbox/{conversation}/thread?seen={seen}").status_code == 200


def test_hostile_words_stay_words(site: Site, signed: Callable[[str], Person]) -> None:
    conversation = talk(site, "hello")
    site.say(conversation, HOSTILE, "2")
    for path in (f"/console/inbox/{conversation}", "/console/inbox", f"/console/inbox?q={HOSTILE}"):
        page = signed("owner").get(path).text
        assert "<script>window" not in page and "<img src=x" not in page and "<svg/onload" not in page
        assert "{{7*7}}" in page or "7*7" not in page
