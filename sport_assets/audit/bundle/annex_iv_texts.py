"""What the records say under the points of Annex IV, in Markdown.

Belongs here: one function for each point that the records know something of. Must not come here: the headings
(``annex_iv``), and anything that a person has to answer for.
"""

import json
from collections.abc import Sequence
from typing import Final

from sport_assets.audit.bundle.names import CARD, EVALUATION, INDEX, MODEL, REPORT
from sport_assets.audit.bundle.subject import Measure, Subject

_MEASURES_SHOWN: Final = 200


def purpose(subject: Subject) -> str:
    """Version, maker, code; the intended use as the card says it."""
    made = subject.made
    newer = subject.chain.target.newer
    lines = [
        f"Version `{made.version}` of `{subject.chain.target.name}`, made {made.at:%Y-%m-%d %H:%M} UTC by "
        f"{made.environment.user} on {made.environment.host}; code version `{made.code_version}`, "
        + (
            f"git commit `{made.environment.git_commit}`." if made.environment.git_commit else "no git commit recorded."
        ),
    ]
    if newer is not None:
        lines.append(f"A newer version exists: `{newer}`.")
    return "\n".join([*lines, "", _card(subject, "intended use")])


def software(subject: Subject) -> str:
    """Python and packages."""
    environment = subject.made.environment
    return (
        f"Python {environment.python}; {len(environment.packages)} installed packages, each with its version in "
        "`ml_bom.cdx.json` and in the record of each step."
    )


def forms(subject: Subject) -> str:
    """The model's files."""
    return _table(
        ["file", "bytes", "SHA-256"],
        [[f"`{MODEL}{file.path}`", f"{file.size:,}", f"`{file.sha256}`"] for file in subject.made.files],
    )


def development(subject: Subject) -> str:
    """The recorded steps."""
    steps = _table(
        ["step", "version", "rows", "quarantined", "code version", "seed", "device"],
        [
            [
                f"`{step.name}`",
                f"`{step.made.version[:12]}`",
                "" if step.made.rows is None else f"{step.made.rows:,}",
                f"{step.made.quarantined_rows:,}",
                f"`{step.made.code_version}`",
                "" if step.made.seed is None else str(step.made.seed),
                step.made.environment.device,
            ]
            for step in subject.chain.steps
        ],
    )
    return (
        f"The {len(subject.chain.steps)} recorded steps, from raw files to the model; their records are in `records/`."
        f"\n\n{steps}\n\nPre-trained weights and other tools of third parties count as raw files or packages: the raw "
        "files are listed under (d), the packages in `ml_bom.cdx.json`."
    )


def design(subject: Subject) -> str:
    """Their configuration."""
    settings = [
        f"- `{step.name}`, configuration `{json.dumps(step.made.config, sort_keys=True)}`"
        for step in subject.chain.steps
        if step.made.config
    ]
    return "\n".join(["Recorded configuration of the steps:", "", *settings]) if settings else ""


def resources(subject: Subject) -> str:
    """What the trainings ran on, and how long."""
    rows = [
        [
            f"`{step.name}`",
            str(step.made.facts.get("device", step.made.environment.device)),
            str(step.made.facts.get("threads", step.made.environment.threads)),
            str(step.made.facts.get("seconds", "")),
            str(step.made.facts.get("parameters", "")),
            {True: "yes", False: "no"}.get(step.made.facts.get("bit_exact", ""), ""),
        ]
        for step in subject.trained
    ]
    return _table(["training", "device", "threads", "seconds", "parameters", "bit-exact"], rows) if rows else ""


def data(subject: Subject) -> str:
    """Raw files, what validation set aside, checks."""
    raw = sorted({(file.path, file.size, file.sha256) for file, _ in subject.chain.raw_files})
    files = _table(["raw file", "bytes", "SHA-256"], [[f"`{p}`", f"{size:,}", f"`{sha}`"] for p, size, sha in raw])
    quarantined = sum(step.made.quarantined_rows for step in subject.data)
    checks = [check for step in subject.data for check in step.checks.values()]
    return "\n\n".join(
        [
            _card(subject, "data"),
            f"{len(raw)} raw files, {len(subject.data)} versions made from them (`croissant.json`), {quarantined:,} "
            f"rows set aside by validation, {len(checks)} checks of which {sum(not c.passed for c in checks)} failed.",
            files,
        ]
    )


def testing(subject: Subject) -> str:
    """Measures beside baselines; checks that failed."""
    failed = [
        f"- `{step.name}`: `{name}` failed"
        + (f" ({check.failed:,} of {check.checked:,})" if check.checked else "")
        + (
            f", overridden by {step.overrides[name].by}: {step.overrides[name].reason}"
            if name in step.overrides
            else ""
        )
        for step in subject.chain.steps
        for name, check in sorted(step.checks.items())
        if not check.passed
    ]
    checks = sum(len(step.checks) for step in subject.chain.steps)
    return "\n\n".join(
        [
            _card(subject, "how it was evaluated"),
            _measures(subject.measures),
            f"{checks} checks are recorded in the chain; {len(failed)} failed." + ("\n\n" if failed else ""),
            "\n".join(failed),
        ]
    )


def limits(subject: Subject) -> str:
    """What the card and the audit's findings say."""
    findings = [
        f"- {finding['severity']}: {finding.get('name') or ''} {finding['message']}".replace("  ", " ")
        for finding in subject.report.get("findings", ())
    ]
    return "\n\n".join(
        [
            _card(subject, "limitations"),
            "Findings of the audit:\n\n" + "\n".join(findings) if findings else "The audit has no findings.",
        ]
    )


def metrics(subject: Subject) -> str:
    """What was measured, beside which baselines."""
    if not subject.measures:
        return ""
    kinds = sorted({measure.path[-1] for measure in subject.measures})
    baselines = sorted({measure.path[1] for measure in subject.measures if measure.path[0] == "baselines"})
    return f"Measured: {', '.join(f'`{kind}`' for kind in kinds)}; beside the baselines " + (
        ", ".join(f"`{name}`" for name in baselines) + f" (`{EVALUATION}`)." if baselines else "none."
    )


def changes(subject: Subject) -> str:
    """What was recorded about the steps after they were made."""
    later = [
        f"- {event.at:%Y-%m-%d}: {event.kind} (record `{event.id}`)"
        for step in subject.chain.steps
        for event in step.later
    ]
    withdrawn = [
        f"- {step.withdrawn.at:%Y-%m-%d}: `{step.name}` withdrawn by {step.withdrawn.by}: {step.withdrawn.reason}"
        for step in subject.chain.steps
        if step.withdrawn is not None
    ]
    said = "\n".join([*later, *withdrawn])
    return (
        f"Events recorded after the steps were made:\n\n{said}"
        if said
        else "Nothing was recorded about the steps later."
    ) + f"\n\nEach change of data, code or configuration gives a new version; `{INDEX}` and `{REPORT}` name this one."


def _card(subject: Subject, heading: str) -> str:
    """A section of the model card, quoted."""
    text = subject.sections.get(heading, "")
    quoted = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    return f"From the model card (`{CARD}`):\n\n{quoted}" if quoted else ""


def _measures(measures: Sequence[Measure]) -> str:
    if not measures:
        return ""
    rows = [
        [
            " / ".join(m.path),
            f"{m.value:.6g}",
            "" if m.low is None or m.high is None else f"{m.low:.6g} to {m.high:.6g}",
        ]
        for m in measures[:_MEASURES_SHOWN]
    ]
    more = len(measures) - len(rows)
    table = _table(["measure", "value", "interval"], rows)
    return table + (f"\n\n{more} more in `{EVALUATION}`." if more > 0 else "")


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
