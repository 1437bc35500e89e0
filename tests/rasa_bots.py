"""Small Rasa bots: one in 3.x YAML that uses everything, one in 1.x Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DOMAIN = """
version: "3.1"
intents:
  - greet
  - book:
      use_entities: []
  - inform
  - affirm
  - deny
  - faq
  - weather
  - out_of_scope
  - never_said
entities: [city, size, phone]
slots:
  from_city: {type: text, mappings: [{type: from_entity, entity: city, role: from}]}
  to_city: {type: text, mappings: [{type: from_entity, entity: city, role: to}]}
  size:
    type: categorical
    values: [small, large]
    mappings: [{type: from_entity, entity: size}]
  sure:
    type: bool
    mappings:
      - {type: from_intent, intent: affirm, value: true, conditions: [{active_loop: book_form}]}
      - {type: from_intent, intent: deny, value: false, conditions: [{active_loop: book_form}]}
  name: {type: text, initial_value: you, mappings: [{type: custom}]}
forms:
  book_form: {required_slots: [to_city, size, sure]}
responses:
  utter_greet:
    - text: "Hello {name}!"
    - text: "Good day!"
    - text: "Slack hello"
      channel: slack
    - text: "Dear gold"
      condition: [{type: slot, name: tier, value: gold}]
  utter_ask_to_city: [{text: "Where to?"}]
  utter_ask_book_form_size:
    - text: "How large?"
      buttons:
        - {title: Small please, payload: '/inform{"size": "small"}'}
        - {title: Large please, payload: '/inform{"size": "large"}'}
  utter_ask_sure: [{text: "Book {size} to {to_city}?"}]
  utter_booked: [{text: "Have a good trip.", image: "https://example.com/trip.png"}]
  utter_faq/ask_price: [{text: "It costs ten."}]
  utter_faq/ask_hours: [{text: "We open at nine."}]
  utter_no: [{text: "I can't help with that."}]
  utter_unused: [{text: "Nobody says this."}]
  utter_code: [{text: "Your code is {code}."}]
actions: [action_book, action_weather, action_never, validate_book_form, action_session_start]
session_config: {session_expiration_time: 60}
"""
NLU = """
version: "3.1"
nlu:
  - intent: greet
    examples: |
      - hello
      - hi there
      - good day
  - intent: book
    examples: |
      - book a trip
      - take me to [Rome]{"entity": "city", "role": "to"}
      - from [Oslo]{"entity": "city", "role": "from"} to [the eternal city]{"entity": "city", "role": "to"}
      - a [big one]{"entity": "size", "value": "large"} please
  - intent: inform
    examples: |
      - to [Bergen]{"entity": "city", "role": "to"}
      - [tiny](size)
  - intent: affirm
    examples: |
      - yes
      - sure
  - intent: deny
    examples: |
      - no
  - intent: faq/ask_price
    examples: |
      - what does it cost
      - price?
  - intent: faq/ask_hours
    examples: |
      - when do you open
  - intent: weather
    examples: |
      - weather in [Rome]{"entity": "city", "role": "to"} for 1234
      - how is the weather
  - intent: out_of_scope
    examples: |
      - order a pizza
  - synonym: Rome
    examples: |
      - the eternal city
  - synonym: small
    examples: |
      - tiny
  - regex: phone
    examples: |
      - \\d{4}
  - lookup: city
    examples: |
      - Turin
"""
STORIES = """
version: "3.1"
stories:
  - story: greeted
    steps:
      - intent: greet
      - action: utter_greet
      - checkpoint: after_greeting
  - story: then weather
    steps:
      - checkpoint: after_greeting
      - intent: weather
      - action: action_weather
  - story: then price
    steps:
      - checkpoint: after_greeting
      - or:
          - intent: faq
          - intent: greet
      - action: utter_faq
  - story: interrupted
    steps:
      - intent: book
      - action: book_form
      - active_loop: book_form
      - intent: weather
      - action: action_weather
      - action: book_form
      - active_loop: null
      - action: action_book
      - action: utter_booked
  - story: code
    steps:
      - intent: greet
      - action: utter_code
  - story: lost
    steps:
      - checkpoint: nowhere
      - intent: greet
      - action: utter_greet
rules:
  - rule: start
    condition: [{active_loop: null}, {slot_was_set: [{tier: gold}]}]
    steps:
      - intent: book
      - action: book_form
      - active_loop: book_form
  - rule: submit
    condition: [{active_loop: book_form}]
    steps:
      - action: book_form
      - active_loop: null
      - action: action_book
      - action: utter_booked
  - rule: faq
    steps:
      - intent: faq
      - action: utter_faq
  - rule: no
    steps:
      - intent: out_of_scope
      - action: utter_no
  - rule: thanks after the trip
    steps:
      - action: utter_booked
      - intent: affirm
      - action: utter_greet
"""
TESTS = """
stories:
  - story: price
    steps:
      - user: |
          what is the price
        intent: faq/ask_price
      - action: utter_faq
  - story: weather
    steps:
      - user: |
          weather in [Rome]{"entity": "city", "role": "to"}
        intent: weather
      - action: action_weather
  - story: pizza
    steps:
      - user: a pizza
        intent: out_of_scope
      - action: utter_no
"""
CONFIG = """
language: en
pipeline:
  - name: DIETClassifier
  - name: own.module.Component
policies:
  - name: TEDPolicy
"""
YAML_BOT = {
    "domain.yml": DOMAIN,
    "data/nlu.yml": NLU,
    "data/stories.yml": STORIES,
    "tests/test_stories.yml": TESTS,
    "config.yml": CONFIG,
    "README.md": "# A bot\n\n## intent:not_data\n- not data\n",
}
MARKDOWN_BOT = {
    "domain.yml": """
intents: [greet, ask, {bye: {triggers: utter_bye}}]
entities: [city]
slots: {city: {type: unfeaturized}}
templates:
  utter_greet: [{text: Hello}]
  utter_bye: [Goodbye, {text: So long}]
actions: [utter_greet, utter_bye, action_ask_city]
""",
    "data/nlu.md": """## intent:greet
- hello
- hi
<!-- - hidden -->

## intent:ask
- what is in [Rome](city)
- what is in [the eternal city](city:Rome)
- and [N26] here

## intent:bye
- bye

## synonym:Rome
- eternal

## regex:zip
- \\d{5}

## lookup:city
  data/cities.txt
""",
    "data/cities.txt": "Turin\nBari\n",
    "data/stories.md": """## start
* greet
  - utter_greet
> greeted

## asks
> greeted
* ask{"city": "Bari"} OR ask
  - action_ask_city
  - slot{"city": "Bari"}
* bye
  - utter_bye
""",
}


def write_bot(folder: Path, files: Mapping[str, str] | None = None) -> Path:
    """Writes a bot and returns its folder."""
    for name, text in (files or YAML_BOT).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
