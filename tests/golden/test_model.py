"""The whole model against recordings of the reference implementation, both generations, float32 on a CPU."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.golden.cases import Case, find_cases, trimmed, worst
from vgcli_core.errors import CheckpointError, FusionError
from vgcli_core.model.checkpoint import Options, load_model
from vgcli_core.model.fusion import cells

TOKENS, LOGITS, LOSS = 1e-4, 2e-4, 2e-5


@pytest.fixture(scope="module")
def cases(golden_or_copy: Path) -> list[Case]:
    found = find_cases(golden_or_copy)
    assert found, f"no model case under {golden_or_copy}"
    return found


def test_the_patch_embedding_gives_the_recorded_tokens(cases):
    for case in cases:
        for index, frames in enumerate(case.frames):
            expected = _first(case, f"dino_patch_tokens.{index}", f"geometry_patch_tokens.{index}")
            if expected is None:
                continue
            encoder = case.model.geometry_encoder
            embed = encoder.aggregator.patch_embed if hasattr(encoder, "aggregator") else encoder.encoder
            with torch.no_grad():
                from vgcli_core.model.geometry_encoders.normalise import imagenet_normalise

                found = embed(imagenet_normalise(_as_seen(case, frames)))
            assert worst(found, expected) <= TOKENS, case.name


def test_the_aggregator_gives_the_recorded_tokens_special_ones_included(cases):
    for case in cases:
        for index, frames in enumerate(case.frames):
            expected = case.outputs.get(f"aggregated_penultimate.{index}")
            if expected is None:
                continue
            with torch.no_grad():
                found = case.model.geometry_encoder.aggregator(_as_seen(case, frames))
            assert worst(found, expected) <= TOKENS, case.name


def test_the_last_two_blocks_of_pi3_give_the_recorded_tokens(cases):
    for case in cases:
        for index, frames in enumerate(case.frames):
            expected = case.outputs.get(f"decoder_last_two.{index}")
            if expected is None:
                continue
            from vgcli_core.model.geometry_encoders.normalise import imagenet_normalise

            encoder = case.model.geometry_encoder
            rows, columns = frames.shape[2] // 14, frames.shape[3] // 14
            with torch.no_grad():
                found = encoder.decode(encoder.encoder(imagenet_normalise(frames)), rows, columns)
            assert worst(torch.stack(found), expected) <= TOKENS, case.name


def test_geometry_features_and_merger_output_are_the_recorded_ones_in_frame_order(cases):
    for case in cases:
        for index, frames in enumerate(case.frames):
            if f"geometry_features.{index}" not in case.outputs:
                assert len(frames) == 0, case.name
                continue
            before = frames.clone()
            with torch.no_grad():
                features = case.model.geometry_features(frames)
                merged = case.model.geometry_merger(cells(features))
            assert torch.equal(frames, before), "the caller's frames were changed"
            assert worst(features.flatten(1, 2), case.outputs[f"geometry_features.{index}"]) <= TOKENS, case.name
            expected = case.outputs[f"merger_output.{index}"]
            assert worst(merged.reshape(expected.shape), expected) <= TOKENS, case.name


def test_image_tokens_before_and_after_fusion_are_the_recorded_ones(cases):
    for case in cases:
        batch = case.batch()
        with torch.no_grad():
            alone = case.model.backbone.image_tokens(batch.pixel_values, batch.grid_thw)
            fused = case.model.embeds(batch)
        real = batch.attention_mask.bool()
        assert worst(alone, case.outputs["visual_embeds"]) <= TOKENS, case.name
        assert worst(fused[real], case.outputs["fused_embeds"][real]) <= TOKENS, case.name


def test_positions_are_exact_where_tokens_are_real(cases):
    for case in cases:
        batch = case.batch()
        real = batch.attention_mask.bool()
        assert torch.equal(batch.position_ids[:, real], case.outputs["position_ids"][:, real]), case.name
        prompt = case.batch(generation=True)
        if "gen.position_ids" in case.outputs:
            real = prompt.attention_mask.bool()
            assert torch.equal(prompt.position_ids[:, real], case.outputs["gen.position_ids"][:, real]), case.name
            step = case.outputs["gen.position_ids_step1"]
            assert torch.equal(prompt.position_ids[:, :, -1:] + 1, step), case.name


def test_hidden_states_logits_and_loss_are_the_recorded_ones(cases):
    for case in cases:
        batch = case.batch()
        with torch.no_grad():
            output = case.model(batch)
            hidden = case.model.backbone.hidden(
                case.model.embeds(batch), positions=batch.position_ids, mask=batch.attention_mask
            )
        real = batch.attention_mask.bool()
        if "logits" in case.outputs:
            assert worst(output.logits[real], case.outputs["logits"][real]) <= LOGITS, case.name
        if "logits_last" in case.outputs:
            last = output.logits[torch.arange(len(real)), real.sum(1) - 1]
            assert worst(last, case.outputs["logits_last"]) <= LOGITS, case.name
        assert worst(hidden[real], case.outputs["last_hidden_state"][real]) <= LOGITS, case.name
        assert abs(float(output.loss) - float(case.outputs["loss"])) <= LOSS, case.name


def test_gradients_of_the_loss_are_the_recorded_ones_and_the_encoder_gets_none(cases):
    for case in cases:
        model = case.load()
        model(case.batch()).loss.backward()
        assert all(p.grad is None for p in model.geometry_encoder.parameters()), case.name
        parameters = dict(model.named_parameters())
        for name, expected, tolerance in case.gradients():
            assert worst(parameters[name].grad, expected) <= tolerance, f"{case.name}: {name}"


def test_greedy_answers_are_the_recorded_tokens(cases):
    for case in cases:
        assert case.generate() == trimmed(case.outputs["gen.new_tokens"].tolist(), case.ends), case.name


def test_a_repetition_penalty_gives_the_recorded_tokens(cases):
    for case in cases:
        found = case.generate(penalty=case.facts["repetition_penalty"])
        assert found == trimmed(case.outputs["gen_penalty.new_tokens"].tolist(), case.ends), case.name


def test_an_answer_ends_at_its_stop_token_as_recorded(cases):
    for case in cases:
        stop = case.facts["stop_token_id"]
        expected = trimmed(case.outputs["gen_stop.new_tokens"].tolist(), {stop})
        assert case.generate(stop=stop) == expected, case.name


def test_a_prompt_without_pictures_gives_the_recorded_logits(cases):
    checked = 0
    for case in cases:
        if "text_only.input_ids" not in case.inputs:
            continue
        from vgcli_core.model.vgllm import ModelInputs

        ids = case.inputs["text_only.input_ids"].view(1, -1)
        positions = torch.arange(ids.shape[1]).expand(3, 1, -1)
        with torch.no_grad():
            found = case.model(ModelInputs(ids, torch.ones_like(ids), positions)).logits
        expected = case.outputs["text_only.logits"]
        assert worst(found.reshape(expected.shape), expected) <= LOGITS, case.name
        checked += 1
    assert checked


def test_pictures_without_geometry_frames_are_refused_rather_than_answered(cases):
    for case in cases:
        batch = case.batch()
        if batch.pixel_values is None:
            continue
        frames, batch.geometry_frames = batch.geometry_frames, []
        with pytest.raises(FusionError, match="0 geometry frames"):
            case.model(batch)
        batch.geometry_frames, batch.pixel_values = frames, None
        with pytest.raises(FusionError, match="no pixels"):
            case.model(batch)


def test_frames_that_belong_to_another_sample_are_refused(cases):
    for case in cases:
        batch = case.batch()
        if len(batch.geometry_frames) > 1:
            batch.geometry_frames = [*batch.geometry_frames[1:], batch.geometry_frames[0]]
            counts = [len(frames) for frames in batch.geometry_frames]
            if counts == [len(frames) for frames in case.frames]:
                continue
            with pytest.raises(FusionError, match="image tokens"):
                case.model(batch)


def test_the_first_and_the_last_pair_of_the_aggregator_give_the_recorded_tokens(cases):
    """Recorded for some cases: a shortened or lengthened copy makes another pair the second to last."""
    for case in cases:
        for key, choose in (
            ("aggregated_first.0", lambda blocks: blocks[:2]),
            ("aggregated_last.0", lambda blocks: [*blocks, blocks[-1]]),
        ):
            if key not in case.outputs:
                continue
            aggregator = case.load().geometry_encoder.aggregator
            aggregator.frame_blocks = torch.nn.ModuleList(choose(aggregator.frame_blocks))
            aggregator.global_blocks = torch.nn.ModuleList(choose(aggregator.global_blocks))
            with torch.no_grad():
                found = aggregator(_as_seen(case, case.frames[0]))
            assert worst(found, case.outputs[key]) <= TOKENS, f"{case.name}: {key}"


def test_scores_of_each_decoding_step_are_the_recorded_ones(cases):
    for case in cases:
        if "gen.step_logits" not in case.outputs:
            continue
        batch = case.batch(generation=True)
        steps = case.outputs["gen.step_logits"]
        new = case.outputs["gen.new_tokens"]
        # Without a cache: the whole sequence at once, every recorded token in its place.
        ids = torch.cat((batch.input_ids, new), dim=1)
        mask = torch.cat((batch.attention_mask, torch.ones_like(new)), dim=1)
        following = batch.position_ids[:, :, -1:] + torch.arange(1, new.shape[1] + 1)
        batch.input_ids, batch.attention_mask = ids, mask
        batch.position_ids = torch.cat((batch.position_ids, following), dim=2)
        with torch.no_grad():
            logits = case.model(batch).logits
        assert worst(logits[:, -new.shape[1] - 1 : -1], steps) <= LOGITS, case.name


def test_a_saved_model_loads_bit_for_bit_and_needs_no_sizes(cases, tmp_path):
    from vgcli_core.model.save import save_model

    for case in cases:
        folder = save_model(case.model, tmp_path / case.name, max_shard_size="200KB")
        again, report = load_model(folder, Options(device="cpu", dtype="float32"))
        before, after = case.model.state_dict(), again.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before), case.name
        assert report.layout == "generation-2"
        assert again.config.euler_convention == case.model.config.euler_convention
        with torch.no_grad():
            assert torch.equal(again(case.batch()).logits, case.model(case.batch()).logits), case.name


def test_generations_differ_in_layout_and_in_what_their_boxes_mean(cases):
    for case in cases:
        model, report = load_model(case.folder, Options(device="cpu", geometry_sizes=case.sizes))
        old = case.folder.parent.parent.name != "gen2"
        assert report.layout == ("generation-1" if old else "generation-2"), case.name
        assert model.config.euler_convention == ("zxy" if old else "ZXY")
        assert model.config.prompt_revision == (1 if old else 2)
        assert any("assume" in note or "does not say" in note for note in report.notes) is not old


def test_weights_of_one_generation_with_the_config_of_the_other_still_use_geometry(cases, tmp_path):
    import json
    import shutil

    switches = {"use_vggt_feature", "use_geometry_encoder"}
    for case in cases:
        folder = tmp_path / case.name
        shutil.copytree(case.folder, folder)
        plain = json.loads((folder / "config.json").read_text())
        kept = {key: value for key, value in plain.items() if key not in switches}
        other = switches - set(plain)
        (folder / "config.json").write_text(json.dumps({**kept, other.pop(): True}))
        model, report = load_model(folder, Options(device="cpu", geometry_sizes=case.sizes))
        assert model.has_geometry
        assert any("does not set" in note for note in report.notes)
        with torch.no_grad():
            found = model(case.batch()).loss
        assert abs(float(found) - float(case.outputs["loss"])) <= LOSS, case.name


def test_a_config_that_promises_geometry_over_plain_weights_is_refused(cases, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    geometry = ("vggt.", "merger.", "geometry_encoder.", "geometry_merger.", "feature_fusion.")
    for case in cases:
        folder = tmp_path / case.name
        shutil.copytree(case.folder, folder)
        weights = {k: v for k, v in load_file(folder / "model.safetensors").items() if not k.startswith(geometry)}
        save_file(weights, folder / "model.safetensors")
        with pytest.raises(CheckpointError, match="hold none"):
            load_model(folder, Options(device="cpu", geometry_sizes=case.sizes))


def test_generation_two_weights_under_the_names_of_generation_one_give_the_same_logits(cases, tmp_path):
    import json

    from safetensors.torch import load_file, save_file

    for case in cases:
        weights = load_file(case.folder / "model.safetensors")
        plain = json.loads((case.folder / "config.json").read_text())
        if (
            plain.get("feature_fusion_method") != "add"
            or "geometry_encoder.vggt.aggregator.camera_token" not in weights
        ):
            continue
        renamed = {
            key.replace("geometry_encoder.vggt.", "vggt.").replace("geometry_merger.", "merger."): tensor
            for key, tensor in weights.items()
        }
        kept = {k: v for k, v in plain.items() if not k.startswith(("geometry", "feature", "fusion", "use_geometry"))}
        folder = tmp_path / case.name
        folder.mkdir()
        save_file(renamed, folder / "model.safetensors")
        hidden = plain["geometry_merger_hidden_dim"]
        (folder / "config.json").write_text(
            json.dumps({**kept, "use_vggt_feature": True, "vggt_merger_hidden_dim": hidden})
        )
        model, report = load_model(folder, Options(device="cpu", dtype="float32", geometry_sizes=case.sizes))
        assert report.layout == "generation-1"
        with torch.no_grad():
            assert torch.equal(model(case.batch()).logits, case.model(case.batch()).logits)


def _first(case: Case, *keys: str) -> Tensor | None:
    return next((case.outputs[key] for key in keys if key in case.outputs), None)


def _as_seen(case: Case, frames: Tensor) -> Tensor:
    """The frames in the order in which the encoder sees them."""
    config = case.model.config
    reverse = config.reference_frame == "last" and case.model.geometry_encoder.has_reference_frame
    return frames.flip(0) if reverse else frames
