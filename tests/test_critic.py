"""The patch critic: tells true from dreamed, weighs the unknown, pulls as hard as it is told."""

from __future__ import annotations

import torch
from torch import Tensor

from worldsim.train.critic import SURE_WEIGHT, Critic, balance, weighted_mean

SIZE = (32, 48)


def striped(count: int) -> Tensor:  # [count, 4, 32, 48]
    phase = torch.rand(count, 1, 1, 1) * 6.28
    return torch.sin(torch.arange(SIZE[1]) * 1.5 + phase).expand(count, 4, *SIZE)


def blurred(count: int) -> Tensor:  # [count, 4, 32, 48]
    return torch.zeros(count, 4, *SIZE)


def test_a_critic_learns_to_complain_about_blur():
    torch.manual_seed(0)
    critic, sure = Critic(4, torch.device("cpu")), torch.zeros(8, 1, *SIZE)
    for _ in range(40):
        critic.learn(striped(8), blurred(8), sure)
    assert critic.complaint(blurred(8), sure) > critic.complaint(striped(8), sure) + 0.5


def test_a_complaint_reaches_the_frames_and_leaves_the_critic_alone():
    critic, sure = Critic(4, torch.device("cpu")), torch.zeros(2, 1, *SIZE)
    dreamed = blurred(2).clone().requires_grad_()
    critic.complaint(dreamed, sure).backward()
    assert dreamed.grad is not None and dreamed.grad.abs().sum() > 0
    assert all(p.grad is None and p.requires_grad for p in critic.net.parameters())


def test_sure_patches_weigh_little():
    values = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    sure = torch.ones(1, 1, 2, 4)
    sure[..., 2:] = 0.0
    expected = SURE_WEIGHT / (1.0 + SURE_WEIGHT)
    torch.testing.assert_close(weighted_mean(values, sure), torch.tensor(expected))


def test_a_balanced_loss_pulls_as_hard_as_the_ruling_one():
    last_layer = torch.ones(3, requires_grad=True)
    ruling, other = (last_layer * 2.0).sum(), (last_layer * 0.01).sum()
    torch.testing.assert_close(balance(ruling, other, last_layer), torch.tensor(200.0))
