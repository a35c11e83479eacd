"""`geometry predict` and `geometry keys`."""

import base64
from pathlib import Path
from typing import Annotated

import typer

from registry.adapters.local.state import read_state
from registry.cli.completion import ModelOption
from registry.cli.options import MODEL, Format, FormatOption, HomeOption, place, say
from registry.cli.printing import print_data
from registry.domain.errors import RegistryError, Unreachable
from registry.domain.version import model_name
from registry.store.keys import add_trust, generate_key


def add(app: typer.Typer) -> None:
    app.command()(predict)
    verbs = typer.Typer(help="Keys that sign versions, and the list of those that are trusted.", no_args_is_help=True)
    verbs.callback()(lambda: None)
    verbs.command("init")(init_keys)
    verbs.command("trust")(trust_keys)
    app.add_typer(verbs, name="keys")


def predict(
    images: Annotated[list[Path], typer.Argument(help="Image files.", exists=True, dir_okay=False)],
    model: ModelOption = MODEL,
    revision: Annotated[str | None, typer.Option(help="Ask this revision, such as v2, past the live route.")] = None,
    url: Annotated[str | None, typer.Option(help="Server (default: the installation on this machine).")] = None,
    output: FormatOption = Format.TABLE,
    home: HomeOption = None,
) -> None:
    """Classify images, and say which version answered."""
    import httpx

    name, base = model_name(model), url or _address(home, pinned=revision is not None)
    headers = {"x-revision": revision} if revision else {}
    instances = [{"image": {"b64": base64.b64encode(image.read_bytes()).decode()}} for image in images]
    try:
        answer = httpx.post(
            f"{base}/v1/models/{name}:predict",
            json={"instances": instances},
            headers=headers,
            timeout=30,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise Unreachable(
            f"{base}: no answer ({type(error).__name__}); `geometry local status` shows what runs here"
        ) from error
    if not answer.is_success:
        told = answer.text.strip()[:300]
        raise RegistryError(
            f"{base} answered {answer.status_code}, wanted 200: {told}; `geometry status` shows who serves"
        )
    body = answer.json()
    rows = [
        {
            "image": str(image),
            "class": found["class"],
            "confidence": round(found["confidence"], 4),
            "version": body["model_version"],
        }
        for image, found in zip(images, body["predictions"], strict=True)
    ]
    print_data(rows, output, columns=("image", "class", "confidence", "version"))


def _address(home: Path | None, *, pinned: bool) -> str:
    state = read_state(place(home).root)
    if state is None:
        raise Unreachable("nothing runs here; start it with `geometry local up`, or name a server with --url")
    return state.pinned if pinned else state.public


def init_keys(home: HomeOption = None) -> None:
    """Make the signing key of this installation and trust it."""
    found = place(home)
    say(f"signing key {generate_key(found.keys).keyid} in {found.keys}")


def trust_keys(
    trust: Annotated[Path, typer.Argument(help="Another installation's trust.json.", exists=True)],
    home: HomeOption = None,
) -> None:
    """Also trust the keys of another installation, so that its versions can be imported."""
    found = place(home)
    added = add_trust(found.keys, trust)
    say(f"trusted now: {', '.join(added)}" if added else "all of them were trusted already")
