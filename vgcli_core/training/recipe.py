"""A recipe: everything that defines a training run, as closed, typed YAML.

The same recipe and data give the same order of samples and, on one machine, the same weights. Unknown keys are errors.
`base: NAME` starts from another recipe (`recipe_files`).
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

Part = Literal["language_model", "geometry_merger", "connector", "vision_tower", "geometry_encoder", "heads"]

# Names of sets are parts of dotted keys, and folders.
_SET_NAME = re.compile(r"[A-Za-z0-9_-]+")


class NoNumber(ValueError):
    """True or false stands where something else is meant."""


class Section(BaseModel):
    """A closed table of keys. Numbers are finite; true and false are no numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic would read true as 1."""
        wanted = cls.model_fields[info.field_name or ""].annotation
        if wanted is not bool and any(isinstance(one, bool) for one in (value if isinstance(value, list) else [value])):
            raise NoNumber
        return value


class Start(Section):
    """The weights that training starts from, and what is built around them."""

    weights: str = Field("Qwen/Qwen2.5-VL-3B-Instruct", description="hub name or folder; `tiny` and `small` are new")
    geometry_encoder: Literal["vggt", "pi3", "none"] = Field(
        "vggt", description="what looks at geometry; none: the plain backbone"
    )
    geometry_weights: str | None = Field(
        "facebook/VGGT-1B",
        description="hub name, folder or file, of VGGT, of Pi3 or of a model that holds one; null: those of `weights`; "
        "random: drawn anew, for comparison",
    )
    fusion: Literal["add", "concat", "gated", "weighted", "cross_attention"] = Field(
        "add", description="how geometry tokens join image tokens; add is published"
    )
    fusion_layers: int = Field(1, ge=1, description="layers of cross_attention")
    merger: Literal["mlp", "avg"] = Field("mlp", description="how 2x2 patches of geometry become one token")
    merger_hidden: int = Field(4096, gt=0, description="width inside the geometry merger")
    reference_frame: Literal["first", "last"] = Field("first", description="whose camera the encoder refers to")
    patch_positions: bool = Field(
        False, description="image tokens carry a code of their place; `small`, and weights that have it, keep it"
    )
    blind: bool = Field(False, description="image tokens are 0 whatever the frames: text alone, for comparison")
    frame_width: int = Field(518, ge=28, multiple_of=14, description="of the frames both encoders see, in pixels")
    attention: Literal["auto", "sdpa", "flash", "eager"] = Field(
        "auto", description="auto: flash-attn where it is installed and can run, else torch's own (sdpa)"
    )

    @model_validator(mode="after")
    def _the_blind_see_nothing(self) -> Self:
        if self.blind and (self.geometry_encoder != "none" or self.patch_positions):
            raise ValueError("start.blind is true: set start.geometry_encoder to none, start.patch_positions to false")
        return self


class Trained(Section):
    """Which parts learn; the others stay as they are, bit for bit."""

    language_model: Literal["full", "lora", "none"] = Field(
        "full", description="with its embedding and output head; lora: adapters alone"
    )
    geometry_merger: bool = Field(
        True, description="the merger of geometry tokens, the fusion, and the code of patch positions"
    )
    connector: bool = Field(False, description="the 2D tower's own merger")
    vision_tower: bool = Field(False, description="the 2D tower without its merger")
    geometry_encoder: bool = Field(False, description="VGGT or Pi3")


class Lora(Section):
    """Low-rank adapters on the language model (arXiv 2106.09685); used when `trained.language_model` is lora."""

    rank: int = Field(64, gt=0, description="of each adapter")
    alpha: float = Field(128, gt=0, description="an adapter counts alpha / rank times")
    dropout: float = Field(0.05, ge=0, lt=1, description="of what enters an adapter")
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
        description="linear layers of the language model that get one",
    )


class DataSet(Section):
    """One prepared set of the mixture."""

    dataset: str = Field(description="a name of `vgllm prepare --list`")
    folder: str = Field("", description="below the data folder; the key of the set where empty")
    split: str = Field("train", description="of the set: a part of it with samples of its own")
    tasks: tuple[Literal["ask", "ground", "detect", "caption"], ...] = Field(
        (), description="of its samples that are used; all where empty"
    )
    share: float = Field(1.0, gt=0, le=1, description="of its samples (of these tasks), drawn by the seed")
    num_frames: int | None = Field(None, gt=0, description="of a sample; the set is refused if it was made with others")
    prepare: str = Field("", description="further options of the `vgllm prepare` command that makes it")


class Data(Section):
    """The mixture, and what becomes of samples that do not fit."""

    sets: dict[str, DataSet] = Field(min_length=1, description="prepared sets by name; null leaves one of `base` out")
    max_length: int = Field(12800, gt=0, description="tokens of a sample, at most")
    too_long: Literal["shorten", "refuse"] = Field(
        "shorten", description="shorten: drop whole frames where the answer names none, else refuse"
    )
    max_bad: int = Field(100, ge=0, description="samples that may be left out as unusable before the run stops")
    workers: int = Field(4, ge=0, description="processes that read frames, for each training process")

    @field_validator("sets")
    @classmethod
    def _names_are_plain(cls, sets: dict[str, DataSet]) -> dict[str, DataSet]:
        for name in sets:
            if not _SET_NAME.fullmatch(name):
                raise ValueError(f"a set is called {name!r}: letters, digits, - and _ are allowed")
        return sets


class Batch(Section):
    """How samples are grouped into steps."""

    size: int = Field(64, gt=0, description="samples, or rows of `questions`, of one step, over all processes")
    micro: int = Field(1, gt=0, description="samples, or rows of `questions`, that one process runs at a time")
    questions: int = Field(
        1, gt=0, description="samples about the same frames that share a row, in which the frames stand once"
    )
    by_length: bool = Field(True, description="samples of one step are of similar length")
    by_tag: bool = Field(True, description="a step never mixes 2d and 3d samples")
    packing: bool = Field(False, description="several samples in one row of about data.max_length tokens")

    @model_validator(mode="after")
    def _a_step_holds_a_micro_batch(self) -> Self:
        if self.micro > self.size:
            raise ValueError(f"batch.micro is {self.micro}, more than batch.size, {self.size}")
        return self

    @model_validator(mode="after")
    def _frames_are_shared_or_rows_packed(self) -> Self:
        if self.packing and self.questions > 1:
            raise ValueError(
                f"batch.questions is {self.questions}, and batch.packing is true: rows that share their frames are "
                "not packed"
            )
        return self


Share = Annotated[float, Field(ge=0, lt=1)]


class Losses(Section):
    """What is learnt, and by which losses. Heads that a loss needs are trained beside the model and left out of it."""

    kind: Literal["answers", "geometry", "regions"] = Field(
        "answers",
        description="answers: the text of the set's answers; geometry, regions: pre-training of an encoder on truth "
        "that the set holds for every frame",
    )
    depth: float = Field(1.0, ge=0, description="geometry: error of log depth")
    points: float = Field(0.5, ge=0, description="geometry: error of points in the first camera, metres")
    cameras: float = Field(1.0, ge=0, description="geometry: error of camera positions, rotations, focal lengths")
    matches: float = Field(0.2, ge=0, description="geometry: where in the first frame a patch is seen, as attention")
    on_objects: float = Field(3.0, gt=0, description="geometry: weight of what shows an object; other cells have 1")
    augment: bool = Field(
        True, description="geometry: mirror and reverse half of the frame lists; regions too: soften half of them"
    )
    labels: tuple[str, ...] = Field((), description="regions, words: what is told apart")
    boxes: float = Field(0, ge=0, description="answers, beside them: each image token tells its object's box")
    words: float = Field(0, ge=0, description="answers, beside them: each image token is near its object's word")
    pointing: float = Field(0, ge=0, description="answers, beside them: numbers of a box attend to its object")
    numbers: float = Field(
        0, ge=0, description="answers: standard deviation, metres, of the numbers of boxes that are nearly right"
    )

    @property
    def hinted(self) -> bool:
        """Whether there are losses beside that of the answer, which need the truth of every frame."""
        return self.kind == "answers" and bool(self.boxes or self.words or self.pointing or self.numbers)

    @model_validator(mode="after")
    def _labels_are_there(self) -> Self:
        if (self.kind == "regions" or self.words) and not self.labels:
            raise ValueError(
                "objective.kind is regions, or objective.words is set, and objective.labels names no label"
            )
        return self


class Optim(Section):
    """AdamW, three groups of parameters; frozen parts have no learning rate."""

    lr: float = Field(1e-5, gt=0, description="peak, of the language model")
    merger_lr: float | None = Field(None, gt=0, description="of the geometry merger and the fusion; null: lr")
    vision_lr: float | None = Field(None, gt=0, description="of 2D tower, connector, geometry encoder; null: lr")
    muon_lr: float | None = Field(
        None, gt=0, description="of matrices inside trained layers, which Muon updates instead of AdamW; null: AdamW"
    )
    weight_decay: float = Field(0.01, ge=0, description="of all weights but biases and norms")
    betas: tuple[Share, Share] = Field((0.9, 0.999), description="memory of AdamW's two moments")
    eps: float = Field(1e-8, gt=0, description="added to AdamW's denominator")
    warmup: float = Field(0.03, ge=0, lt=1, description="share of all steps, in which learning rates rise")
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="how learning rates fall to 0 after the warm-up"
    )
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")


class Run(Section):
    """How long, how precise, how often saved."""

    epochs: int = Field(1, gt=0, description="times that each sample is seen")
    max_steps: int | None = Field(None, gt=0, description="stop there; the schedule ends there too")
    precision: Literal["bf16", "fp32"] = Field("bf16", description="of products; master weights are always float32")
    checkpoint_gradients: bool = Field(True, description="compute activations twice instead of keeping them")
    zero: Literal[0, 2, 3] = Field(0, description="DeepSpeed's stage; 0 is plain data parallelism")
    save_every: int = Field(500, gt=0, description="steps from one checkpoint to the next")
    keep: int = Field(2, gt=0, description="newest checkpoints that stay")


class Validation(Section):
    """What is measured while training."""

    every: int = Field(0, ge=0, description="steps from one validation to the next; 0 is never")
    hold_out: int = Field(
        0, ge=0, description="samples kept out of the mixture, whole scenes, for the held-out loss; 0: none is measured"
    )
    generate: str = Field("", description="a prepared set, below the data folder, whose questions are answered")
    generate_split: str = Field("val", description="of that set")
    generate_samples: int = Field(32, gt=0, description="questions that are answered")
    best: str = Field("loss", description="which measure chooses the best checkpoint; others count upwards")

    @model_validator(mode="after")
    def _best_is_measured(self) -> Self:
        if self.every and not self.hold_out and (self.best == "loss" or not self.generate):
            raise ValueError(
                "validation.every is set, and nothing is held out for a loss: set validation.hold_out, or "
                "validation.generate and, in validation.best, one of its measures"
            )
        if self.best != "loss" and not self.generate:
            raise ValueError(f"validation.best is {self.best}, and no set is named in validation.generate")
        return self


class Recipe(Section):
    """One training run, complete."""

    description: str = Field("", description="what it is for, in one line")
    start: Start = Field(Start(), description="weights and architecture")
    trained: Trained = Field(Trained(), description="parts that learn")
    lora: Lora = Field(Lora(), description="adapters")
    objective: Losses = Field(Losses(), description="losses")
    data: Data = Field(description="the mixture")
    batch: Batch = Field(Batch(), description="grouping of samples")
    optim: Optim = Field(Optim(), description="optimiser")
    run: Run = Field(Run(), description="length, precision, checkpoints")
    validation: Validation = Field(Validation(), description="measures while training")
    seed: int = Field(0, ge=0, lt=2**32, description="of new weights, shares and the order of samples")

    @model_validator(mode="after")
    def _something_learns(self) -> Self:
        trained, geometry = self.trained, self.start.geometry_encoder != "none"
        if trained.geometry_encoder and not geometry:
            raise ValueError("trained.geometry_encoder is true, and start.geometry_encoder is none")
        merger = trained.geometry_merger and (geometry or self.start.patch_positions)
        encoders = trained.connector or trained.vision_tower or trained.geometry_encoder
        if self.start.blind and encoders:
            raise ValueError("start.blind is true, and trained names an encoder or its connector, which do not run")
        if trained.language_model == "none" and not (merger or encoders):
            raise ValueError("no part is trained: set a key of trained")
        return self

    @model_validator(mode="after")
    def _attention_can_branch(self) -> Self:
        if self.batch.questions > 1 and self.start.attention == "flash":
            raise ValueError(
                f"batch.questions is {self.batch.questions}, and start.attention is flash, whose kernel cannot let "
                "several questions see the same frames: sdpa can"
            )
        return self

    @model_validator(mode="after")
    def _muon_has_whole_matrices(self) -> Self:
        if self.optim.muon_lr is not None and self.run.zero:
            raise ValueError("optim.muon_lr is set, and run.zero, which cuts matrices up, is not 0")
        return self

    @model_validator(mode="after")
    def _objective_fits(self) -> Self:
        if self.objective.hinted and (self.batch.packing or self.run.zero):
            raise ValueError(
                "objective has losses beside the answer's, which go with neither batch.packing nor run.zero"
            )
        wanted = {"geometry": {"geometry_encoder"}, "regions": {"vision_tower", "connector"}}.get(self.objective.kind)
        if wanted is None:
            return self
        chosen = {name for name, value in self.trained.model_dump().items() if value not in (False, "none")}
        if chosen != wanted:
            raise ValueError(
                f"objective.kind is {self.objective.kind}, which trains {' and '.join(sorted(wanted))} and nothing "
                f"else, and trained has {', '.join(sorted(chosen))}"
            )
        if self.objective.kind == "geometry" and self.start.geometry_encoder != "vggt":
            raise ValueError("objective.kind is geometry, and start.geometry_encoder is not vggt")
        if self.run.zero:
            raise ValueError(f"objective.kind is {self.objective.kind}, and run.zero is not 0")
        if self.validation.generate:
            raise ValueError(f"objective.kind is {self.objective.kind}, and validation.generate asks for answers")
        return self
