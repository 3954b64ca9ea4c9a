"""The tab What if: other patients, other experts, noise, and replays."""
