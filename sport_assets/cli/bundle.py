"""`sport-assets bundle`: everything about a model in one archive.

Belongs here: arguments and what is said. Must not come here: making and checking the archive (`sport_assets.audit`).
"""

from pathlib import Path
from typing import Annotated

import typer

from sport_assets.cli.audit import MODEL_HELP
from sport_assets.cli.common import JSON, opened, out, plain, print_json

app = typer.Typer()


@app.command()
def bundle(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    to: Annotated[Path, typer.Option("--out", help="The archive to write; one of that name is replaced.")],
    sign: Annotated[
        Path | None, typer.Option(help="Sign with this ed25519 key (openssl genpkey -algorithm ed25519 -out KEY.pem).")
    ] = None,
    whole_chain: Annotated[
        bool, typer.Option("--whole-chain", help="Also pack every other record up to the head: proves every link.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Pack all that an auditor needs to check MODEL into one archive, and check that archive."""
    from sport_assets.audit.bundle.write import write_bundle
    from sport_assets.lineage.models import find_record

    with opened() as lineage:
        made = find_record(lineage.ledger, model)
        written = write_bundle(lineage, made.id, to, key=sign, whole_chain=whole_chain)
    if as_json:
        print_json({**written.verdict.as_json(), "sha256": written.sha256})
    else:
        for line in written.verdict.lines():
            out.print(plain(line), highlight=False, soft_wrap=True)
        out.print(f"{written.path} sha256 {written.sha256}", highlight=False, soft_wrap=True)
