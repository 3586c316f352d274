"""What the records know of the model, in the order of Annex IV of the EU AI Act.

Belongs here: the headings of Annex IV of Regulation (EU) 2024/1689. Must not come here: what the records say under each
(``annex_iv_texts``). What a person has to answer for is marked as to be written. Nothing here says that a model is
high-risk, or that it conforms.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from sport_assets.audit.bundle import annex_iv_texts as texts
from sport_assets.audit.bundle.subject import Subject

BY_A_PERSON: Final = "> **To be written by a person.**"

Text = Callable[[Subject], str]


class Point(NamedTuple):
    """A lettered point: its words, what the records say (empty where nothing), and what a person must add."""

    title: str
    known: Text | None = None
    missing: str = ""


def annex_iv(subject: Subject) -> bytes:
    """The document, in Markdown."""
    made = subject.made
    lines = [
        f"# Technical documentation of {subject.chain.target.name}",
        "",
        "In the order of Annex IV of Regulation (EU) 2024/1689 (AI Act). Made from the records in this bundle: it says "
        "what they know. Lines that begin with **To be written by a person** are open. Whether the AI Act asks for "
        "this documentation, and whether the system conforms to it, is for the provider to judge.",
        "",
        f"Model: `{subject.chain.target.name}`, version `{made.version}`, record `{made.id}`.",
        "",
    ]
    for number, (heading, points) in enumerate(_SECTIONS, start=1):
        lines += [f"## {number}. {heading}", ""]
        for place, point in enumerate(points):
            if len(points) > 1:
                lines += [f"### ({chr(ord('a') + place)}) {point.title}", ""]
            elif point.title:
                lines += [f"{point.title}", ""]
            lines += _under(point, subject)
    return ("\n".join(lines).rstrip() + "\n").encode()


def _under(point: Point, subject: Subject) -> list[str]:
    known = point.known(subject).strip() if point.known is not None else ""
    return [*([known, ""] if known else []), f"{BY_A_PERSON} {point.missing}".rstrip(), ""]


_SECTIONS: Final[list[tuple[str, list[Point]]]] = [
    (
        "A general description of the AI system",
        [
            Point(
                "Its intended purpose, the name of the provider and the version of the system",
                texts.purpose,
                "Name of the provider; relation to previous versions placed on the market.",
            ),
            Point("How the AI system interacts with hardware or software that is not part of it"),
            Point(
                "The versions of relevant software or firmware",
                texts.software,
                "Requirements related to version updates.",
            ),
            Point(
                "The forms in which the AI system is placed on the market or put into service",
                texts.forms,
                "In which form these files reach the deployer.",
            ),
            Point("The hardware on which the AI system is intended to run"),
            Point("Where the AI system is a component of products: photographs or illustrations of these products"),
            Point("A basic description of the user-interface provided to the deployer"),
            Point("Instructions for use for the deployer"),
        ],
    ),
    (
        "A detailed description of the elements of the AI system and of the process for its development",
        [
            Point(
                "The methods and steps performed for the development of the AI system",
                texts.development,
                "How pre-trained systems or tools of third parties were integrated or modified.",
            ),
            Point(
                "The design specifications of the system",
                texts.design,
                "General logic, key design choices with rationale and assumptions, what the system optimises for, "
                "trade-offs.",
            ),
            Point(
                "The system architecture, and the computational resources used to develop, train, test and validate",
                texts.resources,
                "How software components build on or feed into each other.",
            ),
            Point(
                "The data requirements: provenance, scope and main characteristics of the data sets",
                texts.data,
                "How the data was obtained and selected, with what right; labelling procedures.",
            ),
            Point("Assessment of the human oversight measures needed (Article 14)"),
            Point("Pre-determined changes to the AI system and its performance"),
            Point(
                "The validation and testing procedures used, metrics, test logs and test reports",
                texts.testing,
                "Potentially discriminatory impacts; date and signature of the responsible persons.",
            ),
            Point("Cybersecurity measures put in place"),
        ],
    ),
    (
        "Detailed information about the monitoring, functioning and control of the AI system",
        [
            Point(
                "Capabilities and limitations in performance, foreseeable unintended outcomes and sources of risk, "
                "human oversight measures, specifications on input data.",
                texts.limits,
                "Accuracy for specific persons or groups; risks to health, safety and fundamental rights; oversight.",
            )
        ],
    ),
    (
        "A description of the appropriateness of the performance metrics for the specific AI system",
        [Point("", texts.metrics, "Why these metrics are appropriate.")],
    ),
    ("A detailed description of the risk management system in accordance with Article 9", [Point("")]),
    (
        "A description of relevant changes made by the provider to the system through its lifecycle",
        [Point("", texts.changes, "Which of them are relevant, and why they were made.")],
    ),
    ("A list of the harmonised standards applied in full or in part", [Point("")]),
    ("A copy of the EU declaration of conformity referred to in Article 47", [Point("")]),
    (
        "A detailed description of the system in place to evaluate the performance in the post-market phase "
        "in accordance with Article 72",
        [Point("", None, "Including the post-market monitoring plan.")],
    ),
]
