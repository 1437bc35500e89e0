"""A tuning on a Ray cluster: Ray Train places the processes and restarts them when one dies.

Each worker loads the pack and the base by itself, from the same paths as here, and refuses others. The first
one sends its progress home and leaves the candidate in `out`, which all machines must share.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senmon.adapters import AdapterCard
from senmon.bases.catalog import BaseFiles, resolve
from senmon.dataset.loading import load_dataset
from senmon.errors import ConfigError, PackNotFound, SenmonError, TuningError
from senmon.packs.loader import load_pack
from senmon.packs.manifest import RecipeSpec
from senmon.packs.pack import Pack
from senmon.tuning.progress import OnProgress, TuneProgress, ignore

if TYPE_CHECKING:
    from senmon.dataset.example import Dataset
    from senmon.embedding import Encoder
    from senmon.tuning.tune import Candidate

#: How often a dead worker is replaced before the run is given up.
DEATHS = 3
#: Progress is polled so often.
POLL_SECONDS = 0.5
QUEUE_LENGTH = 1000


def tune_on_ray(
    pack: Pack,
    dataset: Dataset,
    base: BaseFiles,
    out: Path,
    recipe: RecipeSpec | None,
    on_progress: OnProgress | None = None,
    *,
    workers: int = 2,
    device: str | None = None,
    threads: int | None = None,
    encoder: Encoder | None = None,
    checkpoints: str | None = None,
) -> Candidate:
    """`tune` by `workers` processes of the Ray cluster of `RAY_ADDRESS`, else of one on this machine.

    Raises ConfigError when Ray is not installed or can't be reached, and what the workers raised.
    """
    recipe = recipe or pack.manifest.recipe
    work = {
        "pack": str(pack.path),
        "pack_digest": pack.digest,
        "dataset_digest": dataset.digest,
        "base": base.spec,
        "revision": base.revision,
        "base_digest": base.digest,
        "out": str(out),
        "recipe": recipe.model_dump(mode="json"),
        "device": device,
        "threads": threads,
        "checkpoints": checkpoints,
    }
    with _cluster():
        _fit(work, workers, on_progress or ignore)
    return _candidate(out)


@contextmanager
def _cluster() -> Iterator[None]:
    try:
        import ray
        import ray.train.torch
    except ImportError as error:
        raise ConfigError(
            f"--on ray needs Ray ({error})", remedy="pip install 'senmon[ray]', or leave --on ray out"
        ) from error
    began = not ray.is_initialized()
    if began:
        try:
            ray.init(log_to_driver=False, include_dashboard=False, logging_level="ERROR")
        except Exception as error:  # Ray raises plain ones when a node does not start in time
            raise ConfigError(
                f"Ray can't be started or reached ({error})", remedy="check RAY_ADDRESS and Ray's own logs"
            ) from error
    try:
        yield
    finally:
        if began:
            ray.shutdown()


def _fit(work: Mapping[str, Any], workers: int, report: OnProgress) -> None:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.util.queue import Queue

    gpu = work["device"] != "cpu" and _gpus() >= workers
    news = Queue(maxsize=QUEUE_LENGTH, actor_options={"num_cpus": 0})
    trainer = TorchTrainer(
        _worker,
        train_loop_config={**work, "device": None if gpu else "cpu", "news": news},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        run_config=RunConfig(
            storage_path=str(Path(work["out"]).absolute() / "ray"),
            failure_config=FailureConfig(max_failures=DEATHS),
        ),
    )
    failed: list[BaseException] = []

    def fit() -> None:
        try:
            trainer.fit()
        except BaseException as error:  # told by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=fit, name="senmon-ray", daemon=True)
    thread.start()
    problem: dict[str, str] = {}
    while thread.is_alive():
        thread.join(POLL_SECONDS)
        _hear(news, report, problem)
    _hear(news, report, problem)
    if failed:
        raise _error(failed[0], problem)


def _gpus() -> float:
    import ray

    return float(ray.cluster_resources().get("GPU", 0.0))


def _hear(news: Any, report: OnProgress, problem: dict[str, str]) -> None:
    with suppress(Exception):  # an empty queue, or one that died with its machine
        for said in news.get_nowait_batch(min(news.qsize(), QUEUE_LENGTH)):
            if "error" in said:
                problem.update(said)
                continue
            report(TuneProgress(**said))


def _error(error: BaseException, problem: Mapping[str, str]) -> SenmonError:
    if problem:
        kind = {"config_error": ConfigError, "pack_not_found": PackNotFound}.get(problem["code"], TuningError)
        return kind(problem["error"], remedy=problem["remedy"])
    words = str(error).strip().splitlines()
    return TuningError(
        f"the workers gave up after {DEATHS} new starts ({words[-1] if words else type(error).__name__})",
        remedy="see Ray's logs; tuned again, it goes on from the last checkpoint",
    )


def _worker(work: dict[str, Any]) -> None:
    """One process of the tuning. What is wrong is told by the first process that notices."""
    news = work["news"]
    try:
        _tune(work, news)
    except SenmonError as error:
        with suppress(Exception):
            news.put({"error": error.message, "remedy": error.remedy, "code": error.code}, timeout=5)
        raise


def _tune(work: dict[str, Any], news: Any) -> None:
    import socket

    import ray.train

    from senmon.tuning.tune import tune

    host, path = socket.gethostname(), Path(work["pack"])
    if not (path / "pack.yaml").is_file():
        raise PackNotFound(
            f"the worker on {host} has no pack in {path}", remedy="put packs where all machines see them"
        )
    pack = load_pack(path)
    dataset, base = load_dataset(pack), resolve(work["base"], work["revision"])
    mine = (pack.digest, dataset.digest, base.digest)
    if mine != (work["pack_digest"], work["dataset_digest"], work["base_digest"]):
        raise ConfigError(
            f"the worker on {host} has another state of {pack.name} or of its base than the one who asked",
            remedy="give all machines the same packs, base and senmon",
        )

    def tell(now: TuneProgress) -> None:
        with suppress(Exception):  # progress is not worth a failed run
            news.put_nowait(asdict(now))

    tune(
        pack,
        dataset,
        base=base,
        out=Path(work["out"]),
        recipe=RecipeSpec.model_validate(work["recipe"]),
        on_progress=tell,
        device=work["device"],
        threads=work["threads"] or (1 if work["device"] == "cpu" else None),
        checkpoints=work["checkpoints"],
    )
    ray.train.report({"done": True})


def _candidate(out: Path) -> Candidate:
    from senmon.tuning.tune import Candidate

    path = out / "adapter"
    try:
        card = AdapterCard.model_validate_json((path / "senmon.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise TuningError(
            f"the workers are done, but {path} is not here",
            remedy="let SENMON_HOME be a folder that all machines share",
        ) from error
    return Candidate(path, card, card.metrics, str(card.recipe.get("plan", "")), out / "curve.png")
