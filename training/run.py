"""One training run from request to signed version: data, fit, calibrate, export, evaluate, track, publish.

What can be refused is refused first, before anything takes time. Rendering and MLflow's start run beside the import of
TensorFlow, which is the longest single wait.
"""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.image import Pixels
from registry.domain.card import Lineage
from registry.domain.documents import canonical_bytes, sha256
from registry.domain.errors import NotFound, Refused, Unreachable
from registry.domain.manifest import Manifest
from registry.domain.version import Model, Version, version_name
from registry.store.home import Home
from registry.store.keys import SigningKey
from registry.store.versions import VerifiedVersion
from training import publish
from training.architectures import SIDES, build, continued, served
from training.calibrate import fit_temperature
from training.checkpoint import Checkpoint
from training.dataset import Dataset, folders, rendered
from training.errors import DatasetError, NotTracked, ResumeError
from training.evaluate import Report, evaluate
from training.export import litert_probabilities, parity, to_litert
from training.figures import pictures
from training.fit import fit
from training.int8 import Attempt, attempt
from training.progress import Reporter
from training.settings import LATEST, Settings
from training.tracking import Run, complete_registration, load_model, open_run

if TYPE_CHECKING:
    import keras

FIRST_SEED = 1
RESUMED_RATE = 0.5
"""Of the learning rate, when an earlier version is continued."""
_PREDICT_BATCH = 64  # images; of EfficientNet, 256 at a time take 3 GB


@dataclass(frozen=True)
class Outcome:
    """What a run ends with. version, digest and int8 are None when nothing was published. int8: whether that variant is
    offered, and why. kept: where lies what could not be logged, and failure why."""

    run_id: str
    run_url: str
    model: Model
    version: Version | None
    digest: str | None
    accuracy: float
    ece: float
    int8: str | None = None
    kept: Path | None = None
    failure: str | None = None

    def require_tracked(self) -> None:
        """Raise NotTracked when something could not be logged."""
        if self.kept is not None:
            raise NotTracked(
                f"MLflow stopped answering ({self.failure}); training finished, the whole run is kept in {self.kept}"
            )


@dataclass(frozen=True)
class Job:
    """A run whose preconditions hold. earlier: the version to continue. baseline: the one to compare with. given: a
    data set that replaces the one that the settings name."""

    settings: Settings
    home: Home
    seed: int
    earlier: VerifiedVersion | None
    baseline: VerifiedVersion | None
    key: SigningKey | None
    given: Dataset | None = None

    @property
    def epochs(self) -> int:
        effort = self.settings.effort
        return self.settings.epochs or (effort.resumed_epochs if self.earlier else effort.epochs)

    def load(self, *, width: int, height: int) -> Dataset:
        """The data set at a size."""
        if self.given is not None:
            return _of_size(self.given, width=width, height=height)
        settings, effort = self.settings, self.settings.effort
        if settings.data is not None:
            return folders(settings.data, width=width, height=height, skip_unreadable=settings.skip_unreadable)
        return rendered(
            seed=self.seed,
            train=effort.train,
            validation=effort.validation,
            calibration=effort.calibration,
            test=effort.test,
            width=width,
            height=height,
        )


@dataclass(frozen=True)
class Trained:
    """The graph to publish and its measured worth. parity: largest difference of a probability to Keras. int8: None
    when nothing is published."""

    model: "keras.Model"
    litert: bytes
    parity: float
    temperature: float
    report: Report
    int8: Attempt | None = None


def run(
    settings: Settings, *, home: Home, tracking_uri: str, reporter: Reporter, dataset: Dataset | None = None
) -> Outcome:
    """Train, track, and with `settings.register` publish. dataset: train on this instead of what the settings name.

    Raises Refused (the version exists), NotFound (baseline or version to resume), Unreachable (no MLflow at the start),
    NotVerified, TrainingError and its kinds. MLflow failing later is in the outcome.
    """
    try:
        job = replace(prepare(settings, home=home, say=reporter.say), given=dataset)
    except Refused:
        _complete(settings, home, tracking_uri, reporter.say)
        raise
    side, name = SIDES[settings.model_type], f"{settings.model_type}{'-quick' if settings.quick else ''}"
    with ThreadPoolExecutor(2) as pool:
        loading = pool.submit(job.load, width=side, height=side)
        opening = pool.submit(open_run, tracking_uri, experiment=settings.model, name=name, root=home.root)
        import keras  # noqa: F401  # the longest single wait, beside the two above

        images, tracked = loading.result(), opening.result()
    succeeded = False
    try:
        outcome = _tracked(job, images, tracked, reporter)
        succeeded = True
    finally:
        tracked.close(succeeded=succeeded)
    return replace(outcome, kept=tracked.kept, failure=tracked.failure) if tracked.failure else outcome


def prepare(settings: Settings, *, home: Home, say: Callable[[str], None]) -> Job:
    """Check what can be checked before anything takes time, and make the signing key when there is none."""
    if settings.register and settings.version is not None:
        publish.require_free(home, settings.model, settings.version)
    earlier = _earlier(settings, home)
    return Job(
        settings=settings,
        home=home,
        seed=_seed(settings, earlier),
        earlier=earlier,
        baseline=_baseline(settings, home),
        key=publish.signing_key(home, say) if settings.register else None,
    )


def _complete(settings: Settings, home: Home, tracking_uri: str, say: Callable[[str], None]) -> None:
    """Register in MLflow what is published and is not there, because its run was killed in between."""
    store, version = home.versions(), settings.version
    if version is None or version not in store.versions(settings.model):
        return
    verified = store.verify(settings.model, version, home.trust())
    run_id, digest = publish.read_card(verified).lineage.run_id, verified.digest
    try:
        done = complete_registration(tracking_uri, name=settings.model, version=version, digest=digest, run_id=run_id)
    except Unreachable as error:
        say(str(error))
    else:
        say(f"MLflow has {settings.model} {version}" + (" now: its run had been interrupted" if done else ""))


def _tracked(job: Job, dataset: Dataset, tracked: Run, reporter: Reporter) -> Outcome:
    """The run itself, while MLflow has it as the active one."""
    settings = job.settings
    tracked.begin()
    lineage = Lineage(tracked.run_id, dataset.digest, publish.code_version(Path(__file__).parent))
    tracked.parameters(_parameters(job, dataset, lineage))
    network, checkpoint = _network(job, dataset, tracked.uri), _checkpoint(job, dataset)
    fit(
        network,
        dataset.train,
        dataset.validation,
        epochs=job.epochs,
        batch=settings.effort.batch,
        learning_rate=settings.effort.learning_rate * (RESUMED_RATE if job.earlier else 1),
        seed=job.seed,
        reporter=reporter,
        log=tracked,
        checkpoint=checkpoint,
    )
    trained = finish(network, dataset)
    if job.key:
        trained = replace(trained, int8=attempt(trained.model, dataset, trained.report))
    _record(trained, dataset, tracked)
    manifest = _published(job, job.key, trained, dataset, lineage) if job.key else None
    if manifest is not None:
        tracked.register(settings.model, version=manifest.version, digest=manifest.digest)
    if checkpoint is not None:
        checkpoint.clear()
    return Outcome(
        run_id=tracked.run_id,
        run_url=tracked.url,
        model=settings.model,
        version=manifest.version if manifest else None,
        digest=manifest.digest if manifest else None,
        accuracy=trained.report.accuracy,
        ece=trained.report.ece,
        int8=trained.int8.told if trained.int8 else None,
    )


def _checkpoint(job: Job, dataset: Dataset) -> Checkpoint | None:
    """Of a run that would do the very same: the settings that decide it, the data, and what it begins with."""
    settings = job.settings
    if settings.checkpoint is None:
        return None
    decisive = {
        "model": settings.model,
        "type": settings.model_type,
        "quick": settings.quick,
        "epochs": job.epochs,
        "seed": job.seed,
        "data": dataset.digest,
        "weights": sha256(settings.weights.read_bytes()) if settings.weights else None,
        "earlier": job.earlier.digest if job.earlier else None,
        "code": publish.code_version(Path(__file__).parent),
    }
    return Checkpoint(settings.checkpoint, sha256(canonical_bytes(decisive)))


def finish(network: "keras.Model", dataset: Dataset) -> Trained:
    """Calibrate, export and evaluate what is really served. Raises ExportError when it differs from Keras."""
    logits = network.predict(dataset.calibration.images, batch_size=_PREDICT_BATCH, verbose=0)
    temperature = fit_temperature(logits, dataset.calibration.labels)
    model = served(network, temperature=temperature)
    litert, test = to_litert(model), dataset.test
    probabilities = litert_probabilities(litert, test.images)
    difference = parity(probabilities, model.predict(test.images, batch_size=_PREDICT_BATCH, verbose=0))
    report = evaluate(probabilities, test.labels, test.hard, classes=dataset.classes)
    return Trained(model, litert, difference, temperature, report)


def _network(job: Job, dataset: Dataset, tracking_uri: str) -> "keras.Model":
    """A new network, or the one of the version to continue."""
    settings, classes = job.settings, len(dataset.classes)
    if job.earlier is None:
        return build(
            settings.model_type, classes=classes, quick=settings.quick, weights=settings.weights, seed=job.seed
        )
    card = publish.read_card(job.earlier)
    if card.classes != dataset.classes:
        raise ResumeError(
            f"--resume {card.version}: it knows {', '.join(card.classes)}, the data has {', '.join(dataset.classes)}; "
            "train without --resume"
        )
    model = load_model(tracking_uri, card.lineage.run_id, root=job.home.root)
    if model is None:
        raise ResumeError(
            f"--resume {card.version}: MLflow at {tracking_uri} has no Keras model of its run {card.lineage.run_id}; "
            "set MLFLOW_TRACKING_URI to where it was trained, or train without --resume"
        )
    return continued(model, settings.model_type, classes=classes)


def _of_size(dataset: Dataset, *, width: int, height: int) -> Dataset:
    """The data set itself; raises DatasetError when its images have another size."""
    found = dataset.test.images.shape[1:3]
    if found != (height, width):
        raise DatasetError(f"the given images are {found[1]} × {found[0]} pixels, wanted {width} × {height}")
    return dataset


def _record(trained: Trained, dataset: Dataset, tracked: Run) -> None:
    """Send what was measured to MLflow."""
    report = trained.report
    figures = {
        "test_accuracy": report.accuracy,
        "test_ece": report.ece,
        "test_hard_accuracy": report.hard_accuracy,
        "test_hard_ece": report.hard_ece,
        "temperature": trained.temperature,
        "parity": trained.parity,
        **{f"recall_{name}": value for name, value in report.recall.items()},
        **{f"precision_{name}": value for name, value in report.precision.items()},
        **(trained.int8.figures() if trained.int8 else {}),
    }
    tracked.metrics({name: value for name, value in figures.items() if math.isfinite(value)})
    tracked.artifacts(
        {**pictures(report, dataset.test.images, dataset.test.labels), publish.MODEL_FILE: trained.litert}
    )
    tracked.model(trained.model, requirements=_requirements())
    if trained.int8:
        tracked.tags({"int8": trained.int8.told})


def _published(job: Job, key: SigningKey, trained: Trained, dataset: Dataset, lineage: Lineage) -> Manifest:
    def other_size(width: int, height: int) -> Pixels:
        return job.load(width=width, height=height).test.images

    baseline = publish.baseline_on(job.baseline, dataset.test, other_size=other_size) if job.baseline else None
    candidate = publish.Candidate(
        model=job.settings.model,
        model_type=job.settings.model_type,
        litert=trained.litert,
        side=SIDES[job.settings.model_type],
        parity=trained.parity,
        report=trained.report,
        test=dataset.test,
        baseline=baseline,
        lineage=lineage,
        int8=trained.int8.offered if trained.int8 else None,
    )
    return publish.publish(candidate, job.settings.version, home=job.home, key=key, created=datetime.now(UTC))


def _parameters(job: Job, dataset: Dataset, lineage: Lineage) -> Mapping[str, object]:
    settings, effort = job.settings, job.settings.effort
    return {
        "model_type": settings.model_type,
        "quick": settings.quick,
        "max_epochs": job.epochs,
        "batch": effort.batch,
        "learning_rate": effort.learning_rate,
        "seed": job.seed,
        "data": settings.data or "rendered",
        "data_digest": lineage.data_digest,
        "code_version": lineage.code_version,
        "train_images": len(dataset.train),
        "test_images": len(dataset.test),
        "resumed": job.earlier.manifest.version if job.earlier else "",
    }


def _requirements() -> list[str]:
    """What loads the recorded Keras model, as it is installed here."""
    names = ("keras", "numpy", "tensorflow-cpu", "tensorflow")
    found = {name: _installed(name) for name in names}
    return [f"{name}=={version}" for name, version in found.items() if version is not None]


def _installed(name: str) -> str | None:
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return None


def _earlier(settings: Settings, home: Home) -> VerifiedVersion | None:
    """The version to continue."""
    if settings.resume is None:
        return None
    store = home.versions()
    if settings.resume != LATEST:
        return store.verify(settings.model, version_name(settings.resume), home.trust())
    every = [store.verify(settings.model, version, home.trust()) for version in store.versions(settings.model)]
    if not every:
        raise NotFound(f"--resume latest: {settings.model} has no version yet; train one without --resume")
    return max(every, key=lambda verified: verified.manifest.created)


def _baseline(settings: Settings, home: Home) -> VerifiedVersion | None:
    """The version to compare with: the one that was named, else the one in production."""
    if not settings.register:
        return None
    version = settings.baseline or publish.recorded(home, settings.model).production
    return home.versions().verify(settings.model, version, home.trust()) if version else None


def _seed(settings: Settings, earlier: VerifiedVersion | None) -> int:
    """What was asked for; else FIRST_SEED, or one that shows a continued network other images than before."""
    if settings.seed is not None:
        return settings.seed
    return FIRST_SEED if earlier is None else int(earlier.digest[:7], 16)
