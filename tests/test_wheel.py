"""Agents at the wheel: who may drive, how the wheel changes hands, and what the player is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeClock, PlaneWorld
from fakes_envs import FakeTaskWorld
from fakes_play import FakePlayWorld, FakeRememberer
from players import AHEAD, hud_of, played

from worldsim.camera import Intrinsics
from worldsim.engine.clock import Unpaced
from worldsim.envs.blocks.world import BlockWorld
from worldsim.envs.blocks_env import BlocksEnv
from worldsim.errors import BackendError, ConfigError, SceneError, ScriptError
from worldsim.play import app
from worldsim.play.app import PlayConfig
from worldsim.play.hud import HudMode, compose_hud
from worldsim.play.keymap import default_keymap
from worldsim.play.loop import LoopConfig, ModelLoop
from worldsim.play.mailbox import Mailbox, Motion, RecordedInput
from worldsim.play.orders import Order
from worldsim.play.pilots import RandomPilot, ScriptedPilot, pilot_named
from worldsim.play.tick import Board, Tick
from worldsim.play.wanderer import Wanderer
from worldsim.play.wheel import Driver, Seat, Wheel
from worldsim.record.episode import Episode
from worldsim.record.format import WorldInfo
from worldsim.types import Action, Observation, StepResult

DREAM = WorldInfo(kind="dream", version="1", seed=7)
RIGHT = Action(right=True, yaw_deg=5.0)
SEEN = FakePlayWorld().reset()


class TurningPilot:
    """Always turns right; remembers where it began."""

    name = "turner"

    def __init__(self) -> None:
        self.begun: list[WorldInfo] = []

    def begin(self, info: WorldInfo, /) -> None:
        self.begun.append(info)

    def act(self, _seen: Observation, /) -> Action:
        return RIGHT


class Drive:
    """A loop with a wheel, to be told after each tick what to do next."""

    def __init__(self, world: FakePlayWorld | FakeRememberer, **wheel: object) -> None:
        self.world, self.pilot = world, TurningPilot()
        self.mailbox, self.board, seat = Mailbox(), Board(), Seat(self.pilot)
        self.wheel = Wheel(self.mailbox, seat=seat, **wheel)
        self._after: list[Callable[[], object]] = []
        self.loop = ModelLoop(
            LoopConfig(world="dream", seed=7),
            make_world=world.made,
            source=self.wheel,
            board=self.board,
            clock=FakeClock(),
            pacing=self,
            watchers=[seat],
        )

    def run(self, *turns: Callable[[], object]) -> None:
        """One turn of the loop after each of these."""
        self._after = list(turns)
        self.loop.run()

    def wait(self) -> None:
        if self._after:
            self._after.pop(0)()
        else:
            self.loop.stop()

    def hand_over(self) -> None:
        self.loop.order(Order.hand_over)

    def walk(self) -> None:
        self.mailbox.press("forward")

    def newest(self) -> Tick:
        tick = self.board.newest()
        assert tick is not None
        return tick


def nothing() -> None:
    pass


def test_the_wheel_goes_to_the_agent_and_back_and_drops_what_the_player_did_meanwhile() -> None:
    drive = Drive(FakePlayWorld())
    drive.run(
        drive.walk, drive.hand_over, lambda: drive.mailbox.turn(40.0, 0.0), drive.hand_over, nothing
    )
    walking = Action(forward=True)
    assert drive.world.actions == [walking, RIGHT, RIGHT, walking, walking]
    assert [info.seed for info in drive.pilot.begun] == [7]
    assert drive.board.heard() == ["The agent (turner) drives", "You drive"]


def test_the_hud_tells_who_drives_and_which_key_hands_the_wheel_on() -> None:
    drive = Drive(FakePlayWorld(), first=Driver.agent)
    drive.run(nothing)
    hud = compose_hud(drive.newest(), HudMode(), default_keymap())
    assert "the agent (turner) drives   M hands the wheel on" in hud.lines
    drive = Drive(FakePlayWorld())
    drive.run(nothing)
    hud = compose_hud(drive.newest(), HudMode(), default_keymap())
    assert not any("drives" in line for line in hud.lines)


def test_who_drives_is_told_beside_a_twin_too() -> None:
    tick = played(AHEAD, Order.twin, AHEAD).last
    panel = hud_of(replace(tick, driver="the agent (turner)")).twin
    assert panel is not None
    assert panel.lines[-1] == "the agent (turner) drives   M hands the wheel on"


def test_the_view_does_not_jump_when_the_wheel_changes_hands() -> None:
    drive = Drive(FakePlayWorld())
    ahead: list[Motion] = []

    def look() -> None:
        ahead.append(drive.wheel.unused(drive.newest().used))

    drive.run(
        lambda: drive.mailbox.turn(30.0, 4.0), look, drive.hand_over, look, drive.hand_over, look
    )
    assert ahead == [Motion()] * 3
    drive.mailbox.turn(3.0, 1.0)
    assert drive.wheel.unused(drive.newest().used) == Motion(3.0, 1.0)


def test_an_agent_begins_anew_in_every_world_and_whenever_it_gets_the_wheel() -> None:
    drive = Drive(FakePlayWorld(), first=Driver.agent)
    drive.run(
        nothing,
        lambda: drive.loop.order(Order.reset),
        drive.hand_over,
        nothing,
        drive.hand_over,
    )
    assert [info.seed for info in drive.pilot.begun] == [7, 7, 7]


def test_a_free_camera_is_flown_by_the_player_and_then_the_agent_goes_on() -> None:
    drive = Drive(FakeRememberer(), first=Driver.agent)
    photo = lambda: drive.loop.order(Order.photo)  # noqa: E731
    told: list[str] = []
    drive.run(nothing, photo, lambda: told.append(drive.newest().driver), photo, nothing)
    assert told == [""]
    assert drive.newest().driver == "the agent (turner)"


def test_the_wheel_of_a_recording_goes_round_all_three_and_the_recording_goes_on() -> None:
    recorded = RecordedInput([Action(forward=True), Action(back=True)])
    drive = Drive(FakePlayWorld(), recorded=recorded)
    assert drive.wheel.driver is Driver.replay
    over = drive.hand_over
    drive.run(nothing, over, over, over, nothing)
    assert drive.world.actions == [Action(forward=True), Action(), RIGHT, Action(back=True)]
    assert drive.wheel.ended


def test_who_takes_the_wheel_of_a_recording_goes_on_after_its_end() -> None:
    drive = Drive(FakePlayWorld(), recorded=RecordedInput([Action(forward=True)]))
    drive.run(nothing, nothing, drive.hand_over, nothing)
    assert drive.world.actions == [Action(forward=True), Action(), Action()]


def test_a_film_cannot_be_steered_and_says_so() -> None:
    wheel = Wheel(None, recorded=RecordedInput([Action()]))
    with pytest.raises(SceneError, match="film"):
        wheel.hand_over()


def test_a_wheel_knows_the_buttons_that_its_driver_holds() -> None:
    mailbox, seat = Mailbox(), Seat(TurningPilot())
    wheel = Wheel(mailbox, seat=seat)
    seat.began(SEEN, DREAM, Intrinsics())
    mailbox.press("jump")
    assert wheel.held() == {"jump"}
    wheel.hand_over()
    wheel.take()
    assert wheel.held() == {"right"}


def test_a_random_pilot_draws_the_same_choices_for_the_same_world() -> None:
    pilot = RandomPilot()
    walks = []
    for seed in (7, 7, 8):
        pilot.begin(replace(DREAM, seed=seed))
        walks.append([pilot.act(SEEN) for _ in range(60)])
    assert walks[0] == walks[1] != walks[2]


@pytest.mark.parametrize("walled", [False, True])
def test_a_wanderer_walks_on_in_a_world_that_it_knows_nothing_of(walled: bool) -> None:
    world, wanderer, walked_m = PlaneWorld(), Wanderer(3), 0.0
    world.pose = world.pose.moved(0.0, 0.0, -5.9 if walled else 0.0)  # the wall is at -6
    for _ in range(400):
        before = world.pose
        world.advance(wanderer.act(world.observe()))
        walked_m += float(np.linalg.norm(world.pose.position() - before.position()))
        assert abs(world.pose.pitch_deg) < 30.0
    assert walked_m > 30.0


@pytest.mark.parametrize(("open_side", "turn"), [("left", -1.0), ("right", 1.0)])
def test_a_wanderer_turns_to_the_open_side_of_what_is_near(open_side: str, turn: float) -> None:
    depth = np.full_like(SEEN.depth, 0.8)
    third = depth.shape[1] // 3
    depth[:, slice(0, third) if open_side == "left" else slice(-third, None)] = 20.0
    wanderer = Wanderer(3)
    actions = [wanderer.act(Observation(SEEN.rgb, depth, SEEN.pose)) for _ in range(3)]
    assert all(action.yaw_deg * turn > 2.0 for action in actions)
    assert not actions[0].forward  # not with the nose against it


def test_a_scripted_pilot_knows_its_ways_in_a_true_world_from_wherever_it_begins() -> None:
    world, pilot = BlockWorld(task=None), ScriptedPilot()
    world.prepare(seed=5)
    for _ in range(20):
        world.advance(Action(forward=True, yaw_deg=4.0))
    start = world.pose
    pilot.begin(WorldInfo(kind="real", version="1", seed=5))
    farthest_m = 0.0
    for _ in range(250):
        seen = Observation(SEEN.rgb, SEEN.depth, world.pose)
        world.advance(pilot.act(seen))
        farthest_m = max(
            farthest_m, float(np.hypot(world.pose.x - start.x, world.pose.z - start.z))
        )
    assert farthest_m > 4.0


def test_a_script_is_a_pilot_that_begins_anew_with_each_world(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[action]]\nfor_ticks = 2\nbuttons = ["forward"]\n[[action]]\nfor_ticks = 1\n')
    pilot = pilot_named(str(path))
    assert pilot.name == "mine"
    pilot.act(SEEN)
    pilot.begin(DREAM)
    assert [pilot.act(SEEN).forward for _ in range(6)] == [True, True, False] * 2
    assert pilot_named("wander").name == "wander"


@pytest.mark.parametrize("policy", ["scriptd", "nowhere.toml"])
def test_an_unknown_policy_is_refused_by_name(policy: str) -> None:
    with pytest.raises(ConfigError, match=policy):
        pilot_named(policy)


def test_a_script_with_a_mistake_is_refused_before_it_drives(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text("[[action]]\n")
    with pytest.raises(ScriptError):
        pilot_named(str(tmp_path / "wrong.toml"))


def test_without_stable_baselines_the_remedy_is_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "worldsim.envs.trained", raising=False)
    for name in [*sys.modules]:
        if name.split(".")[0] == "stable_baselines3":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(BackendError, match=r'pip install "worldsim-engine\[rl\]"'):
        pilot_named("agent.zip")


@pytest.mark.parametrize("algorithm", ["PPO", "DQN"])
@pytest.mark.parametrize("observation", ["rgb", "dict"])
def test_a_trained_agent_acts_as_it_would_in_its_environment(
    algorithm: str, observation: str, tmp_path: Path
) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    view = "discrete" if algorithm == "DQN" else "multidiscrete"
    env = BlocksEnv(
        world_factory=FakeTaskWorld, size=(40, 36), action_view=view, observation=observation
    )
    network = "CnnPolicy" if observation == "rgb" else "MultiInputPolicy"
    memory = {"buffer_size": 8} if algorithm == "DQN" else {"n_steps": 8, "batch_size": 8}
    model = getattr(sb3, algorithm)(network, env, device="cpu", **memory)
    model.save(tmp_path / "agent.zip")
    player = pilot_named(str(tmp_path / "agent.zip"))
    observed, _ = env.reset(seed=0)
    choice, _ = model.predict(observed, deterministic=True)
    action = player.act(env.unwrapped.world.observe())
    assert player.name == "agent"
    assert action == env.unwrapped.decode(int(choice) if view == "discrete" else choice)


def test_an_agent_of_other_environments_is_refused_with_both_named(tmp_path: Path) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    sb3.PPO("MlpPolicy", "CartPole-v1", n_steps=8, batch_size=8, device="cpu").save(
        tmp_path / "pole.zip"
    )
    with pytest.raises(ConfigError, match="one frame at a time"):
        pilot_named(str(tmp_path / "pole.zip"))
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    with pytest.raises(ConfigError, match=r"model\.save"):
        pilot_named(str(tmp_path / "broken.zip"))


def test_an_agent_plays_without_a_window_and_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = FakePlayWorld()
    config = PlayConfig(headless=True, policy="scripted", frames=12, record=tmp_path / "walk")
    assert app.run(config, make=lambda asked: world.made(asked.kind)) == 0
    assert "12 frames" in capsys.readouterr().out
    assert len(world.actions) == 12
    assert any(action.forward for action in world.actions)
    episode = Episode.open(tmp_path / "walk")
    assert list(episode.actions) == world.actions
    assert episode.info.script is None


def test_a_loop_whose_input_is_a_script_alone_says_that_it_has_no_wheel() -> None:
    world, mailbox, board = FakePlayWorld(), Mailbox(), Board()
    loop = ModelLoop(
        LoopConfig(world="dream", seed=7, frames=1),
        make_world=world.made,
        source=mailbox,
        board=board,
        clock=FakeClock(),
        pacing=Unpaced(),
    )
    loop.order(Order.hand_over)
    loop.run()
    assert "wheel" in board.heard()[0]


def test_a_seat_shows_its_pilot_the_newest_frame() -> None:
    seen: list[Observation] = []

    class Looking(TurningPilot):
        def act(self, shown: Observation, /) -> Action:
            seen.append(shown)
            return Action()

    seat, world = Seat(Looking()), FakePlayWorld()
    first = world.reset()
    seat.began(first, DREAM, Intrinsics())
    seat.act()
    result = StepResult(SEEN)
    seat.ticked(Action(), result)
    seat.act()
    assert [one is other for one, other in zip(seen, (first, SEEN), strict=True)] == [True, True]
