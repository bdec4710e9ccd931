"""The model card of an export, README.md: what it is, how to use it, where it comes from, how good it is, its terms.

Everything stands on records and on the files themselves; what nobody recorded is said to be unknown.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from huggingface_hub import EvalResult, ModelCardData

from vgcli_core.export.card_training import data_section, training_section
from vgcli_core.export.licences import licence_of, url_of, verdict
from vgcli_core.export.markdown import inline, table
from vgcli_core.export.provenance import Part, PartName, Provenance
from vgcli_core.export.scores import Row, Scores
from vgcli_core.geometry.conventions import IN_WORDS
from vgcli_core.model.config import ModelConfig
from vgcli_core.model.elsewhere import Elsewhere
from vgcli_core.model.vgllm import VGLLM
from vgcli_core.version import __version__

FILE = "README.md"

_TASK = "video-text-to-text"
_LATER = "November 2025"
_FORMATS = {
    "vgllm": "vgllm's own form, complete",
    "compact": "vgllm's own form, without the geometry encoder",
    "generation-1": "the folder layout of the published code, first generation (May 2025)",
    "generation-2": f"the folder layout of the published code, second generation (August to {_LATER})",
}
# How names of ours start, by what a reader calls the part; the first that fits counts.
_PARTS = {
    "backbone.model.model.visual.": "2D tower with its connector",
    "backbone.": "language model, embedding and output head",
    "geometry_encoder.": "geometry encoder",
    "geometry_merger.": "geometry merger",
    "feature_fusion.": "fusion",
    "patch_positions.": "code of patch positions",
}
_CITE = """```text
@article{zheng2025learning,
  title   = {Learning from Videos for 3D World: Enhancing MLLMs with 3D Vision Geometry Priors},
  author  = {Zheng, Duo and Huang, Shijia and Li, Yanyang and Wang, Liwei},
  journal = {arXiv preprint arXiv:2505.24625},
  year    = {2025}
}
```"""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a card is made from.

    Attributes:
        title: name of the folder.
        format: of the export.
        model: without memory.
        dtypes: of its tensors, with how many have them.
        size: of its weight files, in bytes.
        found: where the weights come from.
        elsewhere: the encoder that is not in the folder, if any.
        scores: of this model.
        notes: how this export was made, and what to know of it.
    """

    title: str
    format: str
    model: VGLLM
    dtypes: Mapping[str, int]
    size: int
    found: Provenance
    elsewhere: Elsewhere | None = None
    scores: Sequence[Scores] = ()
    notes: Sequence[str] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the model, whether their weights are in the folder or not."""
        names: tuple[PartName, ...] = ("backbone", "geometry encoder") if self.model.has_geometry else ("backbone",)
        return tuple(self.found.part(name) for name in names)


def card(facts: Facts) -> str:
    """Return the text of README.md, with the header that the hub reads."""
    sections = (_opening, _use, _contents, _conventions, _training, _scores, _licences, _made)
    body = "\n\n".join("\n".join(section(facts)) for section in sections)
    return f"---\n{_header(facts)}\n---\n\n{body}\n\n## Cite\n\n{_CITE}\n"


def _header(facts: Facts) -> str:
    decided = verdict(facts.found, facts.parts)
    named = decided.hub == "other"
    results = [
        EvalResult(
            task_type=_TASK,
            dataset_type=one.benchmark,
            dataset_name=one.title,
            metric_type=row.metric,
            metric_name=f"{row.metric} ({row.rules})",
            metric_value=row.value,
        )
        for one in facts.scores
        for row in one.rows
        if row.value is not None
    ]
    base = [part.name for part in facts.parts if part.identified]
    return str(
        ModelCardData(
            license=decided.hub or None,
            license_name="see-model-card" if named else None,
            license_link="README.md" if named else None,
            language="en",
            library_name="vgllm",
            pipeline_tag=_TASK,
            tags=["3d", "spatial-reasoning", "video"],
            base_model=base or None,
            model_name=facts.title if results else None,
            eval_results=results or None,
        ).to_yaml()
    )


def _opening(facts: Facts) -> Iterator[str]:
    config = facts.model.config
    yield f"# {inline(facts.title)}"
    yield ""
    if config.untrained:
        yield "**The weights are random and untrained: answers of this model mean nothing.**"
        yield ""
    if config.blind:
        yield "A control for comparisons: a language model that is asked about videos and sees nothing of them."
    elif not facts.model.has_geometry:
        yield "Qwen2.5-VL without a geometry encoder, asked about the 3D space that a plain video shows."
    else:
        yield (
            f"A VG-LLM ([arXiv 2505.24625](https://arxiv.org/abs/2505.24625)): Qwen2.5-VL sees each frame of a plain "
            f"video, a geometry encoder ({_encoder(config)}) sees them together, and their features are fused patch by "
            "patch. It answers questions about the 3D space that the video shows, and finds objects as oriented 3D "
            "boxes in metres."
        )


def _use(facts: Facts) -> Iterator[str]:
    yield "## Use"
    yield ""
    yield "```bash"
    yield f'vgllm predict video.mp4 "where is the sink?" --model {facts.title}'
    yield "```"
    if facts.elsewhere is not None:
        where = "is fetched from the hub, or given" if facts.elsewhere.on_the_hub else "is given"
        yield ""
        yield (
            f"The geometry encoder is not in this folder: {inline(facts.elsewhere.name)}, rounded to "
            f"{facts.elsewhere.dtype}, {where} with `--geometry`. Its checksum is compared."
        )
    if facts.format.startswith("generation"):
        yield ""
        yield (
            "The published code reads this folder as its own checkpoints. It does not look at `vgllm.json`, which says "
            "what its layout cannot."
        )


def _contents(facts: Facts) -> Iterator[str]:
    config = facts.model.config
    counts: Counter[str] = Counter()
    for name, parameter in facts.model.named_parameters():
        counts[next(part for start, part in _PARTS.items() if name.startswith(start))] += parameter.numel()
    yield "## What it is made of"
    yield ""
    rows = [(part, f"{counts[part]:,}") for part in _PARTS.values() if counts[part]]
    yield from table(("part", "parameters"), (*rows, ("all", f"{counts.total():,}")), right=(1,))
    yield ""
    kinds = ", ".join(f"{kind} ({count:,} tensors)" for kind, count in facts.dtypes.items())
    yield from table(
        ("", ""),
        [
            ("format", _FORMATS[facts.format]),
            ("weights", f"{kinds}, {facts.size / 1e6:,.1f} MB"),
            *_settings(config, geometry=facts.model.has_geometry),
        ],
    )


def _settings(config: ModelConfig, *, geometry: bool) -> Iterator[tuple[str, str]]:
    if geometry:
        yield "geometry encoder", _encoder(config)
        layers = f", {config.fusion_layers} layers of {config.fusion_heads} heads"
        yield "fusion", config.fusion + (layers if config.fusion == "cross_attention" else "")
        yield "geometry merger", f"{config.merger}, {config.merger_hidden} wide inside"
        yield "reference frame", f"the {config.reference_frame} one"
    yield (
        "frames",
        f"{config.frame_width} pixels wide" + (f", {config.num_frames} of them" if config.num_frames else ""),
    )
    if config.horizontal_fov is not None:
        yield "field of view of its training frames", f"{config.horizontal_fov:g} degrees, horizontally"


def _conventions(facts: Facts) -> Iterator[str]:
    config = facts.model.config
    yield "## Conventions"
    yield ""
    if config.euler_convention is None:
        yield "What the angles of boxes in its answers mean, and with which prompts it was trained, is **not known**."
        return
    yield f"- Boxes: {IN_WORDS['box']}, in {IN_WORDS['length']}s and {IN_WORDS['angle']}s."
    yield f"- Camera axes: {IN_WORDS['camera_axes']}."
    yield "- A detected box is in the camera of the first frame, a grounded one in that of the frame which it names."
    if config.euler_convention == "ZXY":
        yield f"- Angles in answers: {IN_WORDS['euler']}."
    else:
        yield "- Angles in answers: **extrinsic zxy**, R = Ry(c) @ Rx(b) @ Rz(a), as in data before 27 November 2025;"
        yield f"  vgllm turns them into {IN_WORDS['euler']}."
    yield f"- Wording of prompts: revision {config.prompt_revision} of the published ones."
    yield f"- Who says so: {inline(config.conventions_from)}."


def _training(facts: Facts) -> Iterator[str]:
    yield training_section(facts.found)


def _scores(facts: Facts) -> Iterator[str]:
    yield "## Scores"
    yield ""
    if not facts.scores:
        yield "No evaluation is on record."
        return
    yield "By `vgllm eval`, with 95 % bootstrap intervals over scenes or videos; fractions in percent."
    for one in facts.scores:
        yield ""
        yield f"**{inline(one.benchmark)}**: {inline(one.title)}"
        yield ""
        rows = [(row.metric, row.rules, _shown(row), _ends(row), f"{row.n:,}") for row in one.rows]
        yield from table(("score", "rules", "value", "95 % interval", "samples"), rows, right=(2, 3, 4))
        if not one.weights:
            yield ""
            yield "Whoever exported it says that these are of this model; the report names no weights."
        for note in one.notes:
            yield f"- {inline(note)}"


def _licences(facts: Facts) -> Iterator[str]:
    yield "## Licences"
    yield ""
    yield verdict(facts.found, facts.parts).words
    yield ""
    rows = []
    for part in facts.parts:
        licence = licence_of(part)
        terms = "none of others" if part.drawn else licence.name if licence is not None else "**not known**"
        rows.append((f"the {part.part}", _began_as(part), terms, part.says or "nobody"))
    yield from table(("part", "began as", "licence of those weights", "who says so"), rows)
    if facts.found.published:
        name = facts.found.published
        yield ""
        yield f"They were put together and trained in [{inline(name)}]({url_of(name)}), whose page states its licence."
    yield from data_section(facts.found.runs)
    yield ""
    yield "This is worked out from records and is no legal advice: the owners' pages decide."


def _made(facts: Facts) -> Iterator[str]:
    yield "## How this folder was made"
    yield ""
    yield f"By `vgllm export` {__version__}; `export.json` lists its files with their checksums."
    for note in facts.notes:
        yield f"- {inline(note)}"


def _encoder(config: ModelConfig) -> str:
    return {"vggt": "VGGT", "pi3": "Pi3"}.get(config.geometry_encoder, config.geometry_encoder)


def _began_as(part: Part) -> str:
    if part.drawn:
        return f"random weights, drawn by vgllm ({inline(part.name)})"
    if part.identified:
        return f"[{inline(part.name)}]({url_of(part.name)})"
    return f"a folder called {inline(part.name)}" if part.name else "not known"


def _shown(row: Row) -> str:
    if row.value is None:
        return "-"
    return f"{row.value:.2f} {row.unit}" if row.unit else f"{100 * row.value:.1f}"


def _ends(row: Row) -> str:
    if row.ci95 is None:
        return "-"
    digits, scale = (2, 1) if row.unit else (1, 100)
    return " to ".join(f"{scale * end:.{digits}f}" for end in row.ci95)
