"""The commands about agents, on worlds and dreams of the smallest size."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from worldsim.errors import CheckpointError
from worldsim.tools import find_and_return, plan, rank_policies, train_agent
from worldsim.tools.agents.choices import MIRRORED
from worldsim.tools.agents.curve import Point, load_curve, save_curve
from worldsim.tools.agents.trained import trained
from worldsim.tools.agents.worlds import Begun, View
from worldsim.types import Pose

TRAINING = ["--size", "16", "10", "--horizon", "16", "--worlds", "2", "--threads", "1"]
ROLLOUT = 64  # choices between two updates of two worlds


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """The folder of a run of two updates in the truth, and of an evaluation."""
    pytest.importorskip("stable_baselines3")
    folder = tmp_path_factory.mktemp("runs") / "taught"
    assert learn(folder, 2 * ROLLOUT, episodes=2) == 0
    return folder


def learn(folder, steps, *more, episodes=0):
    options = ["--out", str(folder), "--steps", str(steps), "--episodes", str(episodes), *more]
    return train_agent.main(["--env", "real", "--fast", *TRAINING, *options])


def point(steps):
    return Point(steps, seconds=1.5, episodes=2, mean_return=0.25, success=0.5, length=4.0)


def test_a_run_leaves_its_agent_its_curve_and_its_evaluation(taught):
    found = {path.name for path in taught.iterdir()}
    assert found == {
        "agent.zip", "curve.csv", "curve.png", "evaluation_real.json", "settings.json"
    }  # fmt: skip
    figures = json.loads((taught / "evaluation_real.json").read_text())
    assert figures["agent"]["episodes"] == figures["random"]["episodes"] == 2
    assert len(figures["ahead_of_random_95"]) == len(figures["returns"]) == 2
    assert [p.steps for p in load_curve(taught / "curve.csv", 2 * ROLLOUT)] == [64, 128]


def test_a_run_goes_on_from_what_was_saved_and_forgets_what_was_not(taught):
    unsaved = [*load_curve(taught / "curve.csv", 2 * ROLLOUT), point(2 * ROLLOUT + 1)]
    save_curve(unsaved, taught / "curve.csv")
    assert learn(taught, 3 * ROLLOUT) == 0
    points = load_curve(taught / "curve.csv", 10_000)
    assert [p.steps for p in points] == [64, 128, 192]
    assert points[0].seconds < points[1].seconds < points[2].seconds


def test_a_killed_run_goes_on(tmp_path):
    pytest.importorskip("stable_baselines3")
    folder = tmp_path / "run"
    endless = ["--env", "real", "--fast", *TRAINING, "--out", str(folder), "--save-every-s", "0"]
    program = [sys.executable, "-m", "worldsim.tools.train_agent", *endless]
    with subprocess.Popen(program, stdout=subprocess.DEVNULL) as run:
        while not load_curve(folder / "curve.csv", 1_000_000) and run.poll() is None:
            time.sleep(0.05)
        run.kill()
    points = load_curve(folder / "curve.csv", 1_000_000)
    assert points
    assert learn(folder, points[-1].steps + ROLLOUT) == 0
    again = load_curve(folder / "curve.csv", 1_000_000)
    assert again[: len(points) - 1] == points[:-1] and again[-1].steps >= points[-1].steps


def test_a_run_refuses_other_settings(taught, capsys):
    assert learn(taught, 3 * ROLLOUT, "--hold", "2") == 2
    assert "'hold': 4" in capsys.readouterr().err


def test_an_agent_plays_an_episode_the_same_alone_and_in_company(taught):
    agent = trained(taught, ticks_of_a_step=1)
    rgb = np.random.default_rng(0).integers(0, 256, (3, 10, 16, 3), dtype=np.uint8)
    views = [View(picture, Pose(0.0, 1.6, 0.0)) for picture in rgb]
    agent.begin([Begun(seed, seed) for seed in range(3)])
    together = [agent.act(views) for _ in range(12)]
    assert all(together[t] == together[t - t % 4] for t in range(12))
    for i in range(3):
        agent.begin([Begun(i, i)])
        assert [agent.act([views[i]])[0] for _ in range(12)] == [row[i] for row in together]


def test_in_a_reflected_picture_an_agent_does_to_the_left_what_it_did_to_the_right(taught):
    from worldsim.tools.agents.keeper import AGENT_FILE
    from worldsim.tools.agents.learner import load_learner

    policy = load_learner(taught / AGENT_FILE).policy
    rgb_BCHW = torch.randint(256, (3, 3, 10, 16), generator=torch.Generator().manual_seed(0))
    chances = policy.get_distribution(rgb_BCHW).distribution.probs
    reflected = policy.get_distribution(rgb_BCHW.flip(-1)).distribution.probs
    assert torch.allclose(reflected, chances[:, list(MIRRORED)], atol=1e-6)
    assert not torch.allclose(reflected, chances, atol=1e-6)
    values, mirrored = policy.predict_values(rgb_BCHW), policy.predict_values(rgb_BCHW.flip(-1))
    assert torch.allclose(values, mirrored, atol=1e-6)


def test_a_folder_without_an_agent_says_so(tmp_path, capsys):
    pytest.importorskip("stable_baselines3")
    assert train_agent.main(["--eval-only", str(tmp_path)]) == 2
    assert "a run of train_agent" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        train_agent.main([])
    assert "--eval-only" in capsys.readouterr().err


def test_a_damaged_agent_is_refused(tmp_path):
    pytest.importorskip("stable_baselines3")
    from worldsim.tools.agents.learner import load_learner

    (tmp_path / "agent.zip").write_bytes(b"half of an agent")
    with pytest.raises(CheckpointError, match="train_agent"):
        load_learner(tmp_path / "agent.zip")


def test_a_damaged_curve_is_refused(tmp_path):
    save_curve([point(8)], tmp_path / "curve.csv")
    assert load_curve(tmp_path / "curve.csv", 8) == [point(8)]
    assert load_curve(tmp_path / "curve.csv", 7) == []
    (tmp_path / "curve.csv").write_text("steps,seconds\n8,soon\n")
    with pytest.raises(CheckpointError, match="curve"):
        load_curve(tmp_path / "curve.csv", 8)


def test_an_agent_learns_in_a_dream(tmp_path, tiny_checkpoint):
    pytest.importorskip("stable_baselines3")
    dream = ["--env", "dream", "--checkpoint", str(tiny_checkpoint), *TRAINING, "--hold", "1"]
    options = ["--out", str(tmp_path / "run"), "--steps", "16", "--episodes", "0"]
    from worldsim.tools.agents import learner

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(learner.PPO_SETTINGS, "n_steps", 8)
        patch.setitem(learner.PPO_SETTINGS, "batch_size", 16)
        assert train_agent.main([*dream, *options]) == 0
    assert (tmp_path / "run" / "agent.zip").exists()


def test_policies_and_sequences_are_ranked_in_truth_and_dream(
    tmp_path, tiny_checkpoint, monkeypatch
):
    monkeypatch.setattr(rank_policies, "NOISES", (0.0,))
    monkeypatch.setattr(rank_policies, "CONSTANTS", ("on",))
    tiny = ["--checkpoint", str(tiny_checkpoint), "--horizon", "4", "--worlds", "2"]
    starts = ["--episodes", "1", "--sequences", "2", "--sequence-starts", "1"]
    out = tmp_path / "ranking"
    arguments = [*tiny, *starts, "--sequence-ticks", "4", "--out", str(out)]
    assert rank_policies.main(arguments) == 0
    assert {path.name for path in out.iterdir()} == {"ranking.json", "ranking.png"}
    figures = json.loads((out / "ranking.json").read_text())
    assert set(figures["policies"]) == {"on", "random", "script"}
    assert set(figures["policies"]["on"]) == {"real", "dream"}
    assert {"rank_correlation", "correlation"} < set(figures["agreement"])
    assert {"rank_correlation", "chosen", "best", "any"} < set(figures["sequences"])
    assert rank_policies.main(arguments) == 2  # the folder is taken


def test_at_least_eight_policies_are_ranked(tmp_path):
    config = rank_policies.RankConfig(out=tmp_path)
    assert len({player.name for player in rank_policies.players(config)}) >= 8


@pytest.mark.parametrize(("planner", "world"), [("cem", "real"), ("mcts", "dream")])
def test_a_plan_is_made_acted_out_and_told(planner, world, tmp_path, tiny_checkpoint):
    small = ["--cem.depth", "2", "--cem.candidates", "2", "--cem.elites", "1", "--cem.rounds", "1"]
    small += ["--mcts.expansions", "1", "--mcts.rollout", "0", "--worlds", "6", "--hold", "2"]
    file = tmp_path / "plan.json"
    where = ["--planner", planner, "--env", world, "--checkpoint", str(tiny_checkpoint)]
    options = ["--episodes", "1", "--horizon", "4", "--json", str(file)]
    assert plan.main([*where, *small, *options]) == 0
    told = {"planner", "random"} | (
        {"the same choices in the truth"} if world == "dream" else set()
    )
    assert set(json.loads(file.read_text())["players"]) == told


def test_finding_and_returning_is_told_for_each_kind_of_memory(tmp_path, tiny_checkpoint):
    file = tmp_path / "return.json"
    tiny = ["--checkpoint", str(tiny_checkpoint), "--no-real", "--memory", "full", "off"]
    options = ["--episodes", "1", "--horizon", "3", "--worlds", "1", "--json", str(file)]
    assert find_and_return.main([*tiny, *options]) == 0
    worlds = json.loads(file.read_text())["worlds"]
    assert set(worlds) == {"memory full", "memory off"}
    assert all(set(players) == {"by sight", "script"} for players in worlds.values())
