"""Actions as bots have them: what each of rasa-sdk's features looks like in use."""

# Written as authors of actions write them: without annotations.
# mypy: ignore-errors

import asyncio
import datetime
import time
from decimal import Decimal

from rasa_sdk import Action, ActionExecutionRejection, FormValidationAction, ValidationAction
from rasa_sdk.events import (
    ActionExecuted,
    ActionReverted,
    ActiveLoop,
    AllSlotsReset,
    BotUttered,
    ConversationPaused,
    ConversationResumed,
    FollowupAction,
    ReminderScheduled,
    Restarted,
    SessionStarted,
    SlotSet,
    UserUtteranceReverted,
)


def class_name(label):
    return "Do" + label.title().replace("_", "")


def make(label, body):
    """An action class whose run is `body`. The server pickles it, by its names."""
    body.__name__ = "run"
    return type(class_name(label), (Action,), {"name": lambda self: label, "run": body})


def _texts(self, dispatcher, tracker, domain):
    dispatcher.utter_message("first")
    dispatcher.utter_message(text="  second  ")
    dispatcher.utter_message(text="")


async def _text_async(self, dispatcher, tracker, domain):
    await asyncio.sleep(0.01)
    dispatcher.utter_message(text="after a while")
    return [SlotSet("waited", True)]


def _buttons(self, dispatcher, tracker, domain):
    buttons = [{"title": "Yes", "payload": "/affirm"}, {"title": "No", "payload": "/deny", "extra": 1}]
    dispatcher.utter_message(text="Sure?", buttons=buttons)


def _image(self, dispatcher, tracker, domain):
    dispatcher.utter_message(image="https://example.com/cat.png")
    dispatcher.utter_message(text="A cat", attachment="https://example.com/cat.pdf")


def _elements(self, dispatcher, tracker, domain):
    dispatcher.utter_message(elements=[{"title": "One", "buttons": [{"title": "Go", "payload": "go"}]}])


def _json(self, dispatcher, tracker, domain):
    dispatcher.utter_message(json_message={"order": {"id": "A1", "lines": (1, 2), 3: "three"}})
    dispatcher.utter_message(json_message={"total": Decimal("12.50"), "none": None, "ü": "ß"})


def _template(self, dispatcher, tracker, domain):
    dispatcher.utter_message(
        response="utter_eta", eta="Tuesday", buttons=[{"title": "More", "payload": "more"}]
    )
    dispatcher.utter_message(response="utter_rich")
    dispatcher.utter_message(response="utter_tier")


def _template_override(self, dispatcher, tracker, domain):
    dispatcher.utter_message(response="utter_rich", text="instead", json_message={"x": 1})


def _old_names(self, dispatcher, tracker, domain):
    dispatcher.utter_template("utter_bye", tracker)
    dispatcher.utter_custom_json({"a": 1})
    dispatcher.utter_button_message("Pick", [{"title": "P", "payload": "p"}])


async def _streams(self, dispatcher, tracker, domain):
    await dispatcher.stream_start()
    await dispatcher.stream_chunk(text="one")
    await dispatcher.stream_chunk(text="two", buttons=[{"title": "B", "payload": "b"}])


def _slots(self, dispatcher, tracker, domain):
    return [
        SlotSet("a", {"deep": [1, 2.5, None]}),
        SlotSet("a", "last"),
        SlotSet("gone", None),
        SlotSet("customer_id", "mallory"),
    ]


def _reset(self, dispatcher, tracker, domain):
    return [AllSlotsReset(), SlotSet("kept", 1)]


def _restarted(self, dispatcher, tracker, domain):
    return [Restarted(), SessionStarted(), ActionExecuted("action_listen")]


def _history(self, dispatcher, tracker, domain):
    dispatcher.utter_message(text="Say that again?")
    return [
        ActionExecuted("x"),
        BotUttered("unseen"),
        UserUtteranceReverted(),
        ActionReverted(),
        ConversationResumed(),
    ]


def _paused(self, dispatcher, tracker, domain):
    dispatcher.utter_message(text="One moment")
    return [ConversationPaused()]


def _reminds(self, dispatcher, tracker, domain):
    when = datetime.datetime(2030, 1, 1, 12, 0)
    return [ReminderScheduled("EXTERNAL_dry", trigger_date_time=when, name="r")]


def _loops(self, dispatcher, tracker, domain):
    return [ActiveLoop("order_form")]


def _follows(self, dispatcher, tracker, domain):
    dispatcher.utter_message(text="first part")
    return [SlotSet("step", 1), FollowupAction("followed")]


def _followed(self, dispatcher, tracker, domain):
    dispatcher.utter_message(text=f"step {tracker.get_slot('step')}", json_message={"step": 2})
    return [FollowupAction("utter_bye")]


def _tracker(self, dispatcher, tracker, domain):
    latest = tracker.latest_message
    found = {
        "slot": tracker.get_slot("order_id"),
        "missing": tracker.get_slot("nothing"),
        "text": latest["text"],
        "intent": latest["intent"],
        "intent_of": tracker.get_intent_of_latest_message(),
        "entities": latest["entities"],
        "values": list(tracker.get_latest_entity_values("order_id")),
        "role": next(tracker.get_latest_entity_values("order_id", entity_role="from"), "none"),
        "sender": tracker.sender_id,
        "channel": tracker.get_latest_input_channel(),
        "kinds": [event["event"] for event in tracker.events],
        "said": [
            event["text"] for event in tracker.events_after_latest_restart() if event["event"] == "user"
        ],
        "paused": tracker.is_paused(),
        "loop": tracker.active_loop,
        "followup": tracker.followup_action,
        "state": sorted(tracker.current_state()),
        "slots": tracker.current_slot_values(),
    }
    dispatcher.utter_message(json_message=found)


def _domain(self, dispatcher, tracker, domain):
    dispatcher.utter_message(json_message={"keys": sorted(domain), "slots": sorted(domain["slots"])})
    dispatcher.utter_message(json_message={"responses": sorted(domain["responses"])})


def _reaches_in(self, dispatcher, tracker, domain):
    tracker.slots["cart"] = "emptied in place"
    domain["slots"].clear()
    tracker.latest_message["text"] = "changed"


def _rejects(self, dispatcher, tracker, domain):
    dispatcher.utter_message(text="never seen")
    raise ActionExecutionRejection(self.name(), "secret")


def _raises(self, dispatcher, tracker, domain):
    dispatcher.utter_message(text="never seen")
    raise KeyError("password is hunter2")


def _slow(self, dispatcher, tracker, domain):
    time.sleep(1.2)


async def _slow_async(self, dispatcher, tracker, domain):
    await asyncio.sleep(30)


def _returns(value):
    def run(self, dispatcher, tracker, domain):
        return value

    return run


def _not_json(self, dispatcher, tracker, domain):
    dispatcher.utter_message(json_message={"when": datetime.date(2026, 1, 1)})


def _not_a_number(self, dispatcher, tracker, domain):
    dispatcher.utter_message(json_message={"x": float("nan")})


class ValidateOrder(FormValidationAction):
    def name(self):
        return "validate_order_form"

    def validate_order_id(self, value, dispatcher, tracker, domain):
        if value.startswith("A"):
            return {"order_id": value.lower()}
        dispatcher.utter_message(text="No such order")
        return {"order_id": None}

    async def validate_count(self, value, dispatcher, tracker, domain):
        return {"count": value * 2}


class ValidateMappings(ValidationAction):
    async def extract_shout(self, dispatcher, tracker, domain):
        return {"shout": tracker.latest_message["text"].upper()}

    def validate_order_id(self, value, dispatcher, tracker, domain):
        return {"order_id": f"checked {value}"}


ACTIONS = {
    "texts": _texts,
    "text_async": _text_async,
    "buttons": _buttons,
    "image": _image,
    "elements": _elements,
    "json": _json,
    "template": _template,
    "template_override": _template_override,
    "old_names": _old_names,
    "streams": _streams,
    "slots": _slots,
    "reset": _reset,
    "restarted": _restarted,
    "history": _history,
    "paused": _paused,
    "reminds": _reminds,
    "loops": _loops,
    "follows": _follows,
    "followed": _followed,
    "tracker": _tracker,
    "domain": _domain,
    "reaches_in": _reaches_in,
    "rejects": _rejects,
    "raises": _raises,
    "slow": _slow,
    "slow_async": _slow_async,
    "returns_tuple": _returns((SlotSet("t", 1),)),
    "returns_text": _returns("done"),
    "returns_one": _returns(SlotSet("t", 1)),
    "returns_number": _returns(7),
    "returns_mixed": _returns([SlotSet("t", 1), "x", {"name": "no event"}, None]),
    "not_json": _not_json,
    "not_a_number": _not_a_number,
}
for _label, _body in ACTIONS.items():
    globals()[class_name(_label)] = make(_label, _body)
