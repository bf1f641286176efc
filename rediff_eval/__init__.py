"""The evaluation harness: tasks, metrics, runs and leaderboards for any captioner."""
