"""What the commands about agents share: worlds side by side, players, planners, a learner."""
