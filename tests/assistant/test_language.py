"""Which messages get the fixed reply for strangers' languages, and what is said there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from senmon.actions.runner import ActionRunner
from senmon.assistant import Assistant, Catalog, ServedPack
from senmon.assistant.language import foreign_language
from senmon.checks.registry import build_checks
from senmon.engines.scripted import ScriptedEngine
from senmon.knowledge import Knowledge
from senmon.messages import Conversation, Event, Identity
from senmon.packs.loader import load_pack
from senmon.rendering import prefix_message

DOMAINS = Path(__file__).parents[2] / "domains"
MOST_MISFIRES = 0.001
ABROAD = {
    "de": """Wo ist meine Bestellung A1001?|Ich möchte mein Paket zurückgeben|Wann kommt die Lieferung?
        |Kann ich die Rechnung noch einmal bekommen?|Bitte stornieren Sie meine Bestellung
        |ich habe das falsche produkt erhalten|Wie löse ich diese Gleichung 3x + 4 = 10 und warum?
        |guten tag, ich brauche hilfe|geld zurück bitte|können sie mir bitte helfen""",
    "fr": """Où est ma commande ?|Je voudrais retourner un article|quand est-ce que mon colis arrive
        |J'ai besoin de la facture s'il vous plaît|bonjour, je veux annuler ma commande
        |combien de temps pour le remboursement|c'est quoi votre adresse|je n'ai pas reçu mon colis
        |pouvez vous m'aider avec cette équation|est-ce que vous avez des chaussures""",
    "es": """¿Dónde está mi pedido?|quiero devolver un paquete|cuando llega mi pedido
        |necesito la factura por favor|hola, quiero cancelar mi pedido|no ha llegado el paquete
        |cuánto tiempo tengo para devolver esto
        |puedo cambiar la dirección|como puedo resolver esta ecuación por favor|gracias por la ayuda""",
    "pt": """Onde está a minha encomenda?|quero devolver um artigo, não gosto|quando chega o meu pedido
        |você pode cancelar meu pedido|preciso da fatura por favor|olá, não recebi a encomenda
        |gostaria de mudar o endereço, obrigado|qual é o prazo para devolução, por favor""",
    "it": """Dov'è il mio ordine?|vorrei restituire questo pacco|quando arriva la mia spedizione
        |ho bisogno della fattura, grazie|non ho ancora ricevuto il rimborso|posso cambiare il mio indirizzo
        |buongiorno, voglio annullare il mio ordine|perché il pacco non è arrivato""",
    "nl": """Waar is mijn bestelling?|ik wil mijn pakket retourneren|wanneer wordt het geleverd
        |kan ik mijn adres wijzigen|ik heb de factuur niet ontvangen|graag mijn bestelling annuleren
        |hoeveel dagen heb ik voor het retourneren|bedankt voor de hulp""",
    "ja": "注文はどこですか？|返品したいです|キャンセル|ちゅうもん A1001|返品",
    "zh": "我的订单在哪里？|我想退货|请问你们几点开门",
    "ko": "제 주문은 어디에 있나요?|반품하고 싶어요",
    "ru": "Где мой заказ?|хочу вернуть товар A1001",
    "ar": "أين طلبي؟",
    "el": "Πού είναι η παραγγελία μου;",
    "he": "איפה ההזמנה שלי?",
    "th": "คำสั่งซื้อของฉันอยู่ที่ไหน",
    "hi": "मेरा ऑर्डर कहाँ है?",
}
HERE = (
    "hola", "merci", "danke!", "ciao ciao", "Where is my order 注文?", "my name is José García Peña",
    "Ursula von der Leyen", "Oscar de la Renta", "Calle de los Olivos 5, Ciudad Real",
    "Rue de la Paix 3, Paris", "Via Roma 12, Milano", "Müller, Straße des 17. Juni 135, Berlin",
    "send it to 12 Rue des Fleurs please",
    "what does 'wo ist mein Paket' mean?", "how do you say où est ma commande in english",
    "do u hav el ridge tent", "wer is my oder", "whn wil it cum", "i wan 2 retrun da tnt", "πr² = 3",
    "Δx = 3", "3x - 7 = 11", "x = una", "", "😀😀", "A1001", "que?", "si", "nada", "per favore",
    "Der Spiegel",
    "Los Angeles or Las Vegas?", "El Paso Texas", "das boot dvd", "la la land", "che guevara shirt",
    "no no no", "Die Hard and Das Boot", "is dat in stock", "ist it there", "mon ami", "sin cos tan",
    "il = 4", "un deux",
)  # fmt: skip


@pytest.mark.parametrize("language", ABROAD)
def test_a_foreign_message_is_told(language: str) -> None:
    messages = [each.strip() for each in ABROAD[language].split("|")]
    assert [(each, foreign_language(each, ("en",))) for each in messages] == [
        (each, language) for each in messages
    ]


@pytest.mark.parametrize("text", HERE)
def test_names_typos_and_borrowed_words_are_not(text: str) -> None:
    assert foreign_language(text, ("en",)) is None


def test_what_a_pack_speaks_is_not_foreign() -> None:
    assert foreign_language("注文はどこですか", ("en", "ja")) is None
    assert foreign_language("Wo ist mein Paket?", ("de-AT",)) is None
    assert foreign_language("Where is my order?", ("de",)) == "en"
    assert foreign_language("Où est ma commande ?", ("de",)) == "fr"


def messages_of(lines: Iterator[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        if "text" in line:
            yield line["text"]
        yield from (each["content"] for each in line.get("messages", ()) if each["role"] == "user")


def test_messages_of_the_packs_are_hardly_ever_taken_for_foreign(capsys: pytest.CaptureFixture[str]) -> None:
    files = [path for pack in ("support", "tutor") for path in sorted((DOMAINS / pack).rglob("*.jsonl"))]
    lines = (json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines())
    said = list(messages_of(lines))
    wrong = [each for each in said if foreign_language(each, ("en",))]
    with capsys.disabled():
        print(f"\nEnglish messages of the packs: {len(said):,}, taken for foreign: {len(wrong)}")
    assert len(said) > 5000
    assert len(wrong) <= MOST_MISFIRES * len(said), wrong[:20]


def test_strangers_english_is_hardly_ever_taken_for_foreign(
    test_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = json.loads((test_data / "clinc150/data_full.json").read_text(encoding="utf-8"))
    said = [text for part in parts.values() for text, _ in part]
    wrong = [each for each in said if foreign_language(each, ("en",))]
    with capsys.disabled():
        print(f"\nCLINC150: {len(said):,} messages, taken for foreign: {len(wrong)}")
    assert len(wrong) <= MOST_MISFIRES * len(said), wrong[:20]


def bot(folder: Path) -> Assistant:
    pack = load_pack(folder)
    shop = ServedPack(pack, prefix_message(pack), Knowledge(pack.articles, None), build_checks(()))
    engine = ScriptedEngine(lambda request: "never said")
    return Assistant(engine, ActionRunner(lambda each: True), lambda: Catalog(packs={"shop": shop}))


async def say(assistant: Assistant, state: Conversation, text: str) -> tuple[Conversation, list[Event]]:
    run = Event("run", {}, {"messages": [{"role": "user", "content": text}]})
    before, state, events = state, state.apply(run), []
    async for event in assistant.reply(before, text, Identity()):
        events.append(event)
        state = state.apply(event)
    return state, events


@pytest.mark.parametrize(
    ("asked", "offer", "accepted", "handed"),
    [
        (
            "注文はどこですか？",
            "担当者におつなぎしましょうか",
            "はい、お願いします。",
            "担当者におつなぎします",
        ),
        ("Где мой заказ?", "Shall I get a person", "да", "passing this on to a person"),
        ("Où est ma commande ?", "Voulez-vous", "Oui, s'il vous plaît !", "passing this on to a person"),
        ("zzz qqq", "Shall I get a person", "yes please", "passing this on to a person"),
    ],
)
async def test_the_person_that_is_offered_is_got(
    pack_folder: Callable[..., Path], asked: str, offer: str, accepted: str, handed: str
) -> None:
    own = "Je ne parle qu'anglais. Voulez-vous parler à une personne ?"
    assistant = bot(pack_folder(texts={"other_language": {"fr": own}}))
    state, events = await say(assistant, Conversation(id="c"), asked)
    assert offer.lower() in events[-1].data["text"].lower()
    assert not [event for event in events if event.type == "handoff"]
    state, events = await say(assistant, state, accepted)
    assert [event.type for event in events] == ["route", "handoff", "delta", "done"]
    assert handed in events[-1].data["text"]
    _, events = await say(assistant, state, accepted)
    assert not [event for event in events if event.type == "handoff"]


async def test_no_is_no_yes(pack_folder: Callable[..., Path]) -> None:
    assistant = bot(pack_folder())
    state, _ = await say(assistant, Conversation(id="c"), "Где мой заказ?")
    _, events = await say(assistant, state, "no thanks, where is my yes order")
    assert "handoff" not in [event.type for event in events]
