"""Every benchmark from end to end: rooms as the raw files of the real datasets, prepared, asked, scored, reported."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.integration.rooms_as_hub import write_hub
from tests.unit.data.harness import request_for
from vgcli.main import app
from vgcli_core.data.prepare import Settings, prepare
from vgcli_core.data.rooms.film import film
from vgcli_core.data.rooms.generate import make_room
from vgcli_core.data.rooms.layouts.write import write_layouts
from vgcli_core.data.rooms.options import FIRST, settings_of
from vgcli_core.data.sources import DATASETS
from vgcli_core.evaluation.benchmarks import BENCHMARKS
from vgcli_core.model.save import save_model
from vgcli_core.model.tiny import tiny_model

SMALL = {"width": 72, "height": 54, "film_frames": 26}
SEED = 4
ROOMS, LIMIT = 2, 2


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with every prepared set of evaluation, and a saved model."""
    folder = tmp_path_factory.mktemp("world")
    raw = folder / "raw"
    request = request_for(DATASETS["rooms"], raw, "train", "val", options=SMALL, seed=SEED, scenes=ROOMS)
    write_layouts(request, raw, ["scannet", "embodiedscan", "scanrefer", "proposals", "vsi_bench", "sqa3d"])
    rooms = [make_room(SEED, FIRST["val"] + number, settings_of(request.options)) for number in range(ROOMS)]
    write_hub([film(room) for room in rooms], raw)
    splits: dict[str, list[str]] = {}
    for benchmark in BENCHMARKS.values():
        splits.setdefault(benchmark.dataset, []).append(benchmark.split)
    options = {"rooms": SMALL, "scannet_det": {"interval": 2}}
    for name, wanted in splits.items():
        more = {"scenes": 1} if name == "rooms" else {"limit": 4} if name not in ("scan2cap", "scannet_det") else {}
        request = request_for(
            DATASETS[name], raw, *wanted, options=options.get(name, {}), seed=SEED, with_frames=True, **more
        )
        prepare(DATASETS[name], request, Settings(folder / "data" / name))
    model, tokenizer = tiny_model(frame_width=56)
    save_model(model, folder / "model", tokenizer=tokenizer)
    return folder


def test_every_benchmark_is_asked_scored_and_reported(world):
    out = world / "run"
    words = ["eval", *BENCHMARKS, "--model", str(world / "model"), "--data", str(world / "data"), "--out", str(out)]
    more = ["--limit", str(LIMIT), "--max-new-tokens", "4", "--device", "cpu", "--no-meteor"]
    done = CliRunner().invoke(app, [*words, *more])
    assert done.exit_code == 0, done.output
    found = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert list(found["reports"]) == list(BENCHMARKS)
    assert {name: report["n"] for name, report in found["reports"].items()} == dict.fromkeys(BENCHMARKS, LIMIT)
    assert all(not report["failed"] for report in found["reports"].values())
    page = (out / "report.html").read_text(encoding="utf-8")
    assert [one.title for one in BENCHMARKS.values() if one.title.split(" (")[0] not in page] == []
    # Four tokens are no box, so every protocol says that it could not read them.
    assert found["reports"]["scanrefer"]["protocols"]["published"]["unparsed"]
