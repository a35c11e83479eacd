"""A run as the command line that starts it elsewhere."""

from training.settings import Settings

CLAIMED = "/data"
"""Where a Job has the images of a claim."""


def submission(settings: Settings, *, claimed: bool) -> list[str]:
    """Arguments of `geometry` that mean this run, its outcome printed as JSON. claimed: images come from a claim."""
    options = {
        "--model": settings.model,
        "--model-type": settings.model_type,
        "--epochs": settings.epochs,
        "--seed": settings.seed,
        "--model-version": settings.version,
        "--baseline": settings.baseline,
        "--resume": settings.resume,
        "--data": CLAIMED if claimed else None,
        "--output": "json",
    }
    flags = {
        "--quick": settings.quick,
        "--skip-unreadable": settings.skip_unreadable,
        "--register-model": settings.register,
    }
    given = [part for name, value in options.items() if value is not None for part in (name, str(value))]
    return ["train", *(name for name, said in flags.items() if said), *given]
