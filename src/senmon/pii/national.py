"""Numbers that a state gives to a person, by their check digits (python-stdnum).

A short run of digits fits many a scheme by chance (one in ten or eleven), so schemes with weak check digits
count only beside a word that names them.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from senmon.pii.spans import Span, before

_NEAR = 40


@dataclass(frozen=True, slots=True)
class _Scheme:
    """`words`: what must stand before the number, as a pattern; empty: the number speaks for itself."""

    name: str
    module: str
    shape: re.Pattern[str]
    words: str = ""


def _scheme(name: str, module: str, shape: str, words: str = "") -> _Scheme:
    return _Scheme(name, f"stdnum.{module}", re.compile(rf"(?<![\w.,-]){shape}(?![\w-]|[.,]\d)"), words)


_SCHEMES = (
    _scheme("US social security number", "us.ssn", r"\d{3}-\d{2}-\d{4}"),
    _scheme("US social security number", "us.ssn", r"\d{3} ?\d{2} ?\d{4}", r"\bssn\b|social security"),
    _scheme("Spanish DNI", "es.dni", r"\d{8}-?[A-Za-z]"),
    _scheme("Spanish NIE", "es.nie", r"[XYZxyz]-?\d{7}-?[A-Za-z]"),
    _scheme("French NIR", "fr.nir", r"[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}"),
    _scheme(
        "Italian codice fiscale", "it.codicefiscale", r"[A-Za-z]{6}\d{2}[A-Za-z]\d{2}[A-Za-z]\d{3}[A-Za-z]"
    ),
    _scheme("Belgian national number", "be.nn", r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}"),
    _scheme("Brazilian CPF", "br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}"),
    _scheme("Swiss AHV number", "ch.ssn", r"756\.?\d{4}\.?\d{4}\.?\d{2}"),
    _scheme("Swedish personal number", "se.personnummer", r"(?:\d{2})?\d{6}[-+]\d{4}"),
    _scheme("Finnish HETU", "fi.hetu", r"\d{6}[-+A]\d{3}[0-9A-Y]"),
    _scheme("Polish PESEL", "pl.pesel", r"\d{11}"),
    _scheme("Norwegian birth number", "no.fodselsnummer", r"\d{6} ?\d{5}"),
    _scheme("Irish PPS number", "ie.pps", r"\d{7}[A-Wa-w][A-IWa-iw]?"),
    _scheme("Chinese resident number", "cn.ric", r"\d{17}[\dXx]"),
    _scheme("Mexican CURP", "mx.curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d"),
    _scheme("South African id", "za.idnr", r"\d{13}"),
    _scheme("German tax id", "de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", r"steuer|\btax\b|idnr|\btin\b"),
    _scheme("Dutch BSN", "nl.bsn", r"\d{9}", r"\bbsn\b|burgerservice|sofi"),
    _scheme("Portuguese NIF", "pt.nif", r"\d{9}", r"\bnif\b|contribuinte"),
    _scheme("Canadian SIN", "ca.sin", r"\d{3}[ -]?\d{3}[ -]?\d{3}", r"\bsin\b|social insurance"),
    _scheme("Australian tax file number", "au.tfn", r"\d{3} ?\d{3} ?\d{2,3}", r"\btfn\b|tax file"),
    _scheme("NHS number", "gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"\bnhs\b"),
    _scheme("Danish CPR", "dk.cpr", r"\d{6}-?\d{4}", r"\bcpr\b|personnummer"),
    _scheme("Aadhaar", "in_.aadhaar", r"\d{4}[ -]?\d{4}[ -]?\d{4}", r"aadh?aar|\buid(?:ai)?\b"),
    _scheme("Austrian insurance number", "at.vnr", r"\d{4} ?\d{6}", r"svnr|versicherung|insurance"),
)


def numbers(text: str) -> Iterator[Span]:
    for scheme in _SCHEMES:
        for match in scheme.shape.finditer(text):
            if scheme.words and not re.search(scheme.words, before(text, match.start(), _NEAR)):
                continue
            if _is_valid(scheme, match[0]):
                yield Span(match.start(), match.end(), scheme.name)


def _is_valid(scheme: _Scheme, number: str) -> bool:
    return bool(importlib.import_module(scheme.module).is_valid(number.upper()))
