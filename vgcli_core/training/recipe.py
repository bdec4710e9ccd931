"""A recipe: everything that defines a training run, as closed, typed YAML.

The same recipe and data give the same order of samples and, on one machine, the same weights. Unknown keys are errors.
`base: NAME` starts from another recipe; tables are merged key by key, everything else is replaced.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Part = Literal["language_model", "geometry_merger", "connector", "vision_tower", "geometry_encoder"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Start(_Section):
    """The weights that training starts from, and what is built around them."""

    weights: str = Field("Qwen/Qwen2.5-VL-3B-Instruct", description="hub name or folder; `tiny` is random, for tests")
    geometry_encoder: Literal["vggt", "pi3", "none"] = Field("vggt", description="none: the plain backbone")
    geometry_weights: str | None = Field(
        "facebook/VGGT-1B", description="hub name, folder or file; null where `weights` holds them"
    )
    fusion: Literal["add", "concat", "gated", "weighted", "cross_attention"] = "add"
    fusion_layers: int = Field(1, ge=1, description="of cross_attention")
    merger: Literal["mlp", "avg"] = "mlp"
    merger_hidden: int = Field(4096, gt=0)
    reference_frame: Literal["first", "last"] = "first"
    frame_width: int = Field(518, ge=28, multiple_of=14, description="of the frames both encoders see, in pixels")
    attention: Literal["auto", "sdpa", "flash", "eager"] = "auto"


class Trained(_Section):
    """Which parts learn; the others stay as they are, bit for bit."""

    language_model: Literal["full", "lora", "none"] = Field("full", description="with its embedding and output head")
    geometry_merger: bool = Field(True, description="and the fusion")
    connector: bool = Field(False, description="the 2D tower's own merger")
    vision_tower: bool = False
    geometry_encoder: bool = False


class Lora(_Section):
    """Low-rank adapters on the language model (arXiv 2106.09685); used when `trained.language_model` is lora."""

    rank: int = Field(64, gt=0)
    alpha: float = Field(128, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class DataSet(_Section):
    """One prepared set of the mixture."""

    dataset: str = Field(description="a name of `vgllm prepare --list`")
    folder: str = Field("", description="below the data folder; the key of the set where empty")
    split: str = "train"
    share: float = Field(1.0, gt=0, le=1, description="of its samples, drawn by the seed")
    num_frames: int | None = Field(None, gt=0, description="of a sample; the set is refused if it was made with others")
    prepare: str = Field("", description="further options of the `vgllm prepare` command that makes it")


class Data(_Section):
    """The mixture, and what becomes of samples that do not fit."""

    sets: dict[str, DataSet] = Field(min_length=1)
    max_length: int = Field(12800, gt=0, description="tokens of a sample")
    too_long: Literal["shorten", "refuse"] = Field(
        "shorten", description="shorten: drop whole frames where the answer names none; otherwise, and else, refuse"
    )
    max_bad: int = Field(100, ge=0, description="samples that may be left out as unusable before the run stops")
    workers: int = Field(4, ge=0, description="processes that read frames, for each training process")


class Batch(_Section):
    """How samples are grouped into steps."""

    size: int = Field(64, gt=0, description="samples of one step, over all processes")
    micro: int = Field(1, gt=0, description="samples that one process runs at a time")
    by_length: bool = Field(True, description="samples of one step are of similar length")
    by_tag: bool = Field(True, description="a step never mixes 2d and 3d samples")
    packing: bool = Field(False, description="several samples in one row of at most data.max_length tokens")


class Optim(_Section):
    """AdamW, three groups of parameters; frozen parts have no learning rate."""

    lr: float = Field(1e-5, gt=0, description="peak, of the language model")
    merger_lr: float | None = Field(None, gt=0, description="of the geometry merger and the fusion; null: lr")
    vision_lr: float | None = Field(None, gt=0, description="of 2D tower, connector, geometry encoder; null: lr")
    weight_decay: float = Field(0.01, ge=0, description="not of biases and norms")
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = Field(1e-8, gt=0)
    warmup: float = Field(0.03, ge=0, lt=1, description="share of all steps")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="to 0, after the warm-up")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")


class Run(_Section):
    """How long, how precise, how often saved."""

    epochs: int = Field(1, gt=0)
    max_steps: int | None = Field(None, gt=0, description="stop there; the schedule ends there too")
    precision: Literal["bf16", "fp32"] = Field("bf16", description="of products; master weights are always float32")
    checkpoint_gradients: bool = Field(True, description="compute activations twice instead of keeping them")
    zero: Literal[0, 2, 3] = Field(0, description="DeepSpeed's stage; 0 is plain data parallelism")
    save_every: int = Field(500, gt=0, description="steps")
    keep: int = Field(2, gt=0, description="newest checkpoints")


class Validation(_Section):
    """What is measured while training."""

    every: int = Field(0, ge=0, description="steps; 0 is never")
    hold_out: int = Field(64, ge=0, description="samples kept out of the mixture, whole scenes, for the held-out loss")
    generate: str = Field("", description="a prepared set, below the data folder, whose questions are answered")
    generate_split: str = "val"
    generate_samples: int = Field(32, gt=0)
    best: str = Field("loss", description="which measure chooses the best checkpoint; others count upwards")


class Recipe(_Section):
    """One training run, complete."""

    description: str = ""
    start: Start = Start()
    trained: Trained = Trained()
    lora: Lora = Lora()
    data: Data
    batch: Batch = Batch()
    optim: Optim = Optim()
    run: Run = Run()
    validation: Validation = Validation()
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _parts_exist(self) -> Self:
        if self.start.geometry_encoder == "none" and self.trained.geometry_encoder:
            raise ValueError("trained.geometry_encoder is set, and start.geometry_encoder is none")
        return self
