"""The benchmarks by name. To add one: a file here with BENCHMARK, and a line below."""

from vgcli_core.evaluation.benchmark import AnyBenchmark
from vgcli_core.evaluation.benchmarks import (
    blink,
    cv_bench,
    nextqa,
    nextqa_oe,
    rooms,
    scan2cap,
    scannet_det,
    scanrefer,
    sqa3d,
    tempcompass,
    video_mme,
    vsi_bench,
)

BENCHMARKS: dict[str, AnyBenchmark] = {
    one.name: one
    for one in (
        scanrefer.BENCHMARK,
        scan2cap.BENCHMARK,
        scannet_det.BENCHMARK,
        scannet_det.BENCHMARK_6_FRAMES,
        vsi_bench.BENCHMARK,
        cv_bench.BENCHMARK,
        blink.BENCHMARK,
        video_mme.BENCHMARK,
        video_mme.BENCHMARK_SUBTITLES,
        tempcompass.BENCHMARK,
        nextqa.BENCHMARK,
        nextqa_oe.BENCHMARK,
        sqa3d.BENCHMARK,
        rooms.BENCHMARK,
    )
}
