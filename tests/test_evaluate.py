import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import PlaneWorld
from fakes_evaluate import LEVEL, EditableWorld, PlaneDream

from worldsim.errors import ConfigError, OutputError
from worldsim.evaluate.arena import Arena, scored_ticks
from worldsim.evaluate.baselines import Warp, fill_unknown
from worldsim.evaluate.budget import ALL, BUDGETS, PARTS, Budget, SuiteName
from worldsim.evaluate.control import COMMANDS, control
from worldsim.evaluate.drift import drift, measure_drift
from worldsim.evaluate.driver import Driver
from worldsim.evaluate.machine import describe_machine
from worldsim.evaluate.metrics import psnr
from worldsim.evaluate.report import EvalConfig, require_writable
from worldsim.evaluate.revisit import revisit, self_revisit
from worldsim.evaluate.rollout import pose, rollout
from worldsim.evaluate.score import Baselines, score_frame, summarise
from worldsim.evaluate.seen import Witnesses
from worldsim.evaluate.speed import percentiles_ms
from worldsim.evaluate.suites import frames_of, run_parts
from worldsim.evaluate.truth import (
    observe,
)
from worldsim.types import SKY_DEPTH_M, Observation, Pose

TINY = Budget(
    rollout={8: ALL, 32: 1},
    revisit={6: {"full": 2, "off": 1}},
    look_away={6: {"full": 1}},
    self_revisit={6: {"full": 1, "off": 1}},
    edits={5: {"full": 3, "off": 1}},
    control=1,
    drift={20: 1},
    pose=1,
    events=1,
)
SEEDS = (5_000_000, 5_000_003)


@pytest.fixture(autouse=True)
def one_thread():
    """Pictures this small are not worth waking a second thread for."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_arena(*, obedient: bool = True, seeds: tuple[int, ...] = SEEDS) -> Arena:
    return Arena(Driver(PlaneDream(obedient=obedient)), EditableWorld(), seeds)


def view(pose: Pose) -> Observation:
    return observe(PlaneWorld(), [pose])[0]


# seen surfaces


def test_a_frame_has_seen_itself():
    target = view(LEVEL.turned(0, 20))
    assert Witnesses([target], PlaneWorld().intrinsics).seen(target).all()


def test_what_lies_behind_was_not_seen():
    seen = Witnesses([view(LEVEL)], PlaneWorld().intrinsics).seen(view(LEVEL.turned(180, 0)))
    assert not seen.any()


def test_a_turn_to_the_right_leaves_the_right_edge_unseen():
    seen = Witnesses([view(LEVEL)], PlaneWorld().intrinsics).seen(view(LEVEL.turned(20, 0)))
    assert seen[:, :8].mean() > 0.9 and not seen[:, -4:].any()


def test_far_ground_at_a_grazing_angle_agrees_with_itself_after_a_step():
    stepped = view(LEVEL.moved(0.0, 0.0, -0.3))
    seen = Witnesses([view(LEVEL)], PlaneWorld().intrinsics).seen(stepped)
    assert seen[:-3].all()


def test_a_surface_behind_another_was_not_seen():
    target = view(LEVEL.turned(0, 30))
    hidden = replace(target, depth=np.full_like(target.depth, 0.5))
    assert not Witnesses([hidden], PlaneWorld().intrinsics).seen(target).any()


def test_sky_counts_as_seen_only_where_sky_was_seen():
    up = LEVEL.turned(0, -60)
    target = view(up)
    assert (target.depth == SKY_DEPTH_M).all()
    roof = replace(target, depth=np.full_like(target.depth, 30.0))
    intrinsics = PlaneWorld().intrinsics
    assert Witnesses([view(up.moved(3, 0, 3))], intrinsics).seen(target).all()
    assert not Witnesses([roof], intrinsics).seen(target).any()


# baselines and scores


def test_the_warp_of_a_known_world_is_nearer_to_the_truth_than_the_last_frame():
    known = [view(LEVEL.turned(yaw_deg, 45)) for yaw_deg in range(0, 48, 2)]
    target = view(LEVEL.turned(15, 45).moved(0.2, 0, -0.2))
    warped = Warp(known, PlaneWorld().intrinsics)(target.pose)
    assert psnr(warped, target.rgb) > psnr(known[-1].rgb, target.rgb) + 3


def test_unknown_pixels_take_the_mean_of_the_known_around_them():
    rgb = torch.zeros(3, 5, 7)
    known = torch.zeros(5, 7, dtype=torch.bool)
    rgb[:, 2, 3], known[2, 3] = 0.5, True
    assert torch.allclose(fill_unknown(rgb, known), torch.full((3, 5, 7), 0.5))
    assert torch.equal(fill_unknown(rgb, ~known)[:, ~known], rgb[:, ~known])


def test_nothing_known_is_grey():
    nothing = torch.zeros(4, 4, dtype=torch.bool)
    assert not fill_unknown(torch.ones(3, 4, 4), nothing).any()


def test_seen_and_unseen_pixels_are_scored_apart():
    target = view(LEVEL.turned(0, 30))
    wrong_right = target.rgb.copy()
    wrong_right[:, 16:] = 0
    seen = np.zeros(target.depth.shape, dtype=bool)
    seen[:, :16] = True
    score = score_frame(
        replace(target, rgb=wrong_right),
        target,
        seen,
        Baselines(copied=target.rgb, last_warped=target.rgb, warped=wrong_right),
    )
    assert score.psnr_seen == score.copy_last == math.inf
    assert score.psnr_unseen < score.psnr < 20
    assert score.warp_only == score.psnr
    assert score.depth_error == 0.0


def test_a_mean_skips_what_was_not_scored_and_caps_what_is_perfect():
    target = view(LEVEL.turned(0, 30))
    everything = np.ones(target.depth.shape, dtype=bool)
    same = Baselines(copied=target.rgb, last_warped=target.rgb, warped=target.rgb)
    score = score_frame(target, target, everything, same)
    summary = summarise([[score, replace(score, psnr=20.0)]])
    assert (summary["n"], summary["frames"]) == (1, 2)
    assert summary["psnr"] == 40.0
    assert summary["psnr_unseen"] is None
    assert summary["se"]["psnr"] is None


def test_a_standard_error_is_over_walks_and_not_over_their_frames():
    target = view(LEVEL.turned(0, 30))
    everything = np.ones(target.depth.shape, dtype=bool)
    same = Baselines(copied=target.rgb, last_warped=target.rgb, warped=target.rgb)
    scores = [
        replace(score_frame(target, target, everything, same), psnr=db) for db in (20.0, 30.0)
    ]
    summary = summarise([[scores[0]] * 5, [scores[1]] * 5])
    assert (summary["psnr"], summary["se"]["psnr"]) == (25.0, pytest.approx(5.0))


def test_a_blurred_dream_is_less_sharp_than_the_truth_and_a_speckled_one_flies_more():
    def scored(rgb: np.ndarray) -> dict:
        return summarise([[score_frame(replace(target, rgb=rgb), target, seen, same)]])

    noise = np.random.default_rng(0)
    target = view(LEVEL.turned(0, 30))
    target = replace(target, rgb=noise.integers(0, 256, target.rgb.shape, dtype=np.uint8))
    same = Baselines(copied=target.rgb, last_warped=target.rgb, warped=target.rgb)
    seen = np.zeros(target.depth.shape, dtype=bool)
    seen[:10] = True
    soft_below = target.rgb.copy()
    soft_below[10:] = soft_below[10:] // 2
    scores = scored(soft_below)
    assert scores["sharpness_unseen"] == pytest.approx(0.5, abs=0.05)
    assert scores["sharpness"] > 0.6
    assert 0 < scores["flying"] < 1
    assert scored(target.rgb)["flying"] == scored(target.rgb)["sharpness_unseen"] == 1.0


def test_scored_ticks_end_with_the_last():
    assert scored_ticks(48) == list(range(3, 48, 4))
    assert scored_ticks(5) == [0, 1, 2, 3, 4]


# suites


def test_rollouts_are_scored_at_each_horizon_they_reach():
    results = rollout(make_arena(), TINY)
    assert {horizon: scores["n"] for horizon, scores in results.items()} == {
        "1": 2,
        "2": 2,
        "4": 2,
        "8": 2,
        "16": 1,
        "32": 1,
    }
    assert all(35 < scores["psnr"] < 45 for scores in results.values())


def test_a_forgetful_dream_scores_worse_on_the_way_back():
    modes = revisit(make_arena(), TINY.revisit)["6"]
    assert modes["full"]["psnr"] > modes["off"]["psnr"] + 10
    assert (modes["full"]["n"], modes["off"]["n"]) == (2, 1)


def test_the_way_out_is_fed_and_the_way_back_is_dreamed():
    arena = make_arena(seeds=SEEDS[:1])
    revisit(arena, {6: {"full": 1}})
    assert arena.driver.engine.fed == 6
    assert len(arena.driver.step_s) == 6


def test_a_dream_is_compared_with_itself_and_not_with_the_truth():
    class OtherColours(PlaneDream):
        def step(self, action, *, pose=None):
            result = super().step(action, pose=pose)
            seen = result.observation
            return replace(result, observation=replace(seen, rgb=255 - seen.rgb))

    arena = Arena(Driver(OtherColours()), PlaneWorld(), SEEDS)
    assert self_revisit(arena, {6: {"full": 1}})["6"]["full"]["psnr"] > 20
    assert revisit(arena, {6: {"full": 1}})["6"]["full"]["psnr"] < 15


def test_control_tells_an_obedient_dream_from_one_that_always_walks_on():
    good, bad = (control(make_arena(obedient=obedient), ALL) for obedient in (True, False))
    assert good.accuracy == 1.0
    assert bad.by_action["forward"] == 1.0
    assert bad.accuracy == pytest.approx(1 / len(COMMANDS))
    assert good.chance == pytest.approx(1 / len(COMMANDS))
    assert good.interval[0] > 0.7 and good.interval[1] == 1.0


def test_commands_with_one_outcome_count_as_one():
    class Frozen(PlaneWorld):
        def walked(self, pose, action):
            return pose

    arena = Arena(Driver(PlaneDream(obedient=False)), Frozen(), SEEDS)
    outcome = control(arena, 1)
    assert (outcome.accuracy, outcome.chance) == (1.0, 1.0)


def test_the_pose_error_of_a_dream_that_knows_the_physics_is_zero():
    result = pose(make_arena(), TINY)
    assert result["error_m"] == pytest.approx(0.0, abs=1e-6)
    assert result["path_m"] > 0
    assert result["se"]["error_m"] is None  # of one seed


def test_a_frozen_dream_does_not_drift_and_a_fading_one_does():
    one = view(LEVEL.turned(0, 30))
    faded = [replace(one, rgb=(one.rgb * (1 - i / 40)).astype(np.uint8)) for i in range(20)]
    still = measure_drift([one] * 20, [LEVEL] * 20)
    assert (still.sharpness, still.depth, still.colour, still.path_m) == (0.0, 0.0, 0.0, 0.0)
    fading = measure_drift(faded, [LEVEL] * 20)
    assert fading.sharpness > 0.3 and fading.colour > 0.1


def test_drift_stands_beside_the_change_of_the_true_world():
    result = drift(make_arena(), {20: 1})["20"]
    assert result["n"] == 1
    assert set(result["truth"]) < set(result)


def test_drift_tells_its_course_over_time():
    result = drift(make_arena(), {20: 2})["20"]
    course = result["windows"]
    assert course["frame"] == [2 * i + 1 for i in range(10)]
    assert len(course["sharpness"]["mean"]) == len(course["sharpness"]["se"]) == 10
    worst, best = min(course["sharpness"]["mean"]), max(course["sharpness"]["mean"])
    assert 0 < worst < best and result["se"]["path_m"] > 0
    assert set(course) == set(result["truth"]["windows"])


def test_percentiles_are_in_milliseconds():
    assert percentiles_ms([0.01] * 10)["p50"] == pytest.approx(10.0)
    assert percentiles_ms([]) == {}


def test_the_planned_frames_are_the_frames_that_are_made():
    for part in set(PARTS) - {"events"}:  # which need the block world and a trained head
        made: list[int] = []
        arena = make_arena()
        arena.driver.on_frame = made.append
        run_parts(arena, TINY, [part])
        assert sum(made) == frames_of(part, TINY, len(SEEDS)), part


@pytest.mark.parametrize(("suite", "most"), [("quick", 6_500), ("full", 160_000)])
def test_a_suite_stays_within_its_frames(suite: SuiteName, most: int):
    """At 25 and 20 frames a second: a little over four minutes, and two and a quarter hours."""
    assert sum(frames_of(part, BUDGETS[suite], 16) for part in PARTS) < most


# the command


def test_seeds_that_training_has_seen_are_refused_unless_allowed():
    with pytest.raises(ConfigError, match="--allow-training-seeds"):
        EvalConfig(seeds="12:4")
    assert list(EvalConfig(seeds="12:2", allow_training_seeds=True).seed_range) == [12, 13]


@pytest.mark.parametrize("seeds", ["", "5000000", "5000000:0", "5000000:x", "-1:4", "5000000:4:2"])
def test_malformed_seeds_are_refused(seeds: str):
    with pytest.raises(ConfigError, match="START:COUNT"):
        EvalConfig(seeds=seeds)


def test_an_unknown_part_is_refused():
    with pytest.raises(ConfigError, match="self_revisit"):
        EvalConfig(only=("dreams",))


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path):
    with pytest.raises(OutputError, match="--json"):
        require_writable(EvalConfig(json=tmp_path / "missing" / "result.json"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="--report"):
        require_writable(EvalConfig(report=tmp_path / "file"))


def test_the_machine_is_described():
    machine = describe_machine()
    assert machine["torch"] == torch.__version__
    assert machine["cpu"]
